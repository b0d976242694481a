"""A town of our own: grown from a seed, rendered under any condition, into places and bags."""
