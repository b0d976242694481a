"""The topics and transforms that the node publishes."""
