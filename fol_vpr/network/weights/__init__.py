"""Weights of the network: names, downloads, reading, validation and writing of checkpoints."""
