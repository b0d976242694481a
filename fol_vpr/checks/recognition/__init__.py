"""Weights, map, and how fast images are answered with them."""
