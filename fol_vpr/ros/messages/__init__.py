"""ROS messages from and to the values of the package."""
