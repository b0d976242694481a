"""The subscriptions of the node."""
