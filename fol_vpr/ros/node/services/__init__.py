"""The services of the node."""
