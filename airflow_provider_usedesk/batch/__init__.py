"""Many tickets or sender from one task: rows are read, checked, sent once each, and accounted for."""
