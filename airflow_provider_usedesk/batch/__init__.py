"""Many tickets or messages from one task: rows are read, checked, sent once each, and accounted for."""
