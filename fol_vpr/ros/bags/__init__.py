"""Bags played to ROS topics and recorded from them."""
