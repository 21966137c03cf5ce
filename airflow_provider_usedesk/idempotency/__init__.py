"""The delivery contract: idempotency keys, attempt store, decision, search for tickets and comments."""
