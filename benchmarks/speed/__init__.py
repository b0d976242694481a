"""Time, memory and bytes of each part."""
