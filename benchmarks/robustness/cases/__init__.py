"""Generators of input of every kind."""
