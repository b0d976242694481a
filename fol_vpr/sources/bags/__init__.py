"""Reads images, poses, cameras and odometry from bags; `writing` makes bags."""
