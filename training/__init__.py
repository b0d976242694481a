"""How FoL is learned. Runs from a checkout; it is not installed with the package."""
