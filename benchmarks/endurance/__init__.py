"""A running node over minutes and hours: memory, latency, and what was lost."""
