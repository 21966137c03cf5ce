"""Tickets that change: the status decision, events and their cursor, the shared poll, the client thread."""
