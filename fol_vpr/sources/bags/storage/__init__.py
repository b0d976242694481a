"""Files that hold the messages of bags: sqlite3, MCAP and ROS 1, packed or not."""
