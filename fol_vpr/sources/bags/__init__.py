"""Reads images, poses, cameras and odometry from ROS 2 bags; `writing` makes bags."""
