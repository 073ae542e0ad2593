"""Settings and logs: read once, checked once."""
