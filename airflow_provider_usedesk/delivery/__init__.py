"""Was the message delivered: reports, their store, the decision, waiting."""
