"""Results of the same queries side by side: what differs, and what chance alone could explain."""
