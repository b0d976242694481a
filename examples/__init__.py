"""Programs to copy from; they run from a checkout and are not installed."""
