"""Plays bags to ROS topics, and records topics into bags."""
