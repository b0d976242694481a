"""ROS 2 bags: images, poses, cameras and odometry read from them, and bags written from images."""
