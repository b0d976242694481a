"""ROS 2 and what carries its messages."""
