"""Images of files and of ROS messages as RGB arrays."""
