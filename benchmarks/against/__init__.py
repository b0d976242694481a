"""Two builds of this package, measured in turns on the same machine."""
