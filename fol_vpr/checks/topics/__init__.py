"""Topics, clocks and frames, as a node of ROS 2 sees them."""
