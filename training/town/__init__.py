"""A town of our own: grown from a seed, rendered under any condition, written as places and bags."""
