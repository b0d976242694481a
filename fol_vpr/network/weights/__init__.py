"""Weights of the network: found by name, downloaded, read, checked and written."""
