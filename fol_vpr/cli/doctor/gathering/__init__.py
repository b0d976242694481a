"""Looks at the machine, at ROS and its transport, and at weights and map."""
