"""Many messages from one task: each row is read, checked, sent once, and recorded."""
