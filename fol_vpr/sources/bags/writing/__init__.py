"""Writes ROS 2 bags from any messages, and from folders of images."""
