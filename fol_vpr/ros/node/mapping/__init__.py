"""Building a map while the robot drives."""
