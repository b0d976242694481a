"""What `fol_vpr doctor` gathers of ROS: nodes, topics, stamps, clocks and frames."""
