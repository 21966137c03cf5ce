"""Tickets that change: status decision, events and cursor, the shared poll, the client thread."""
