"""The node `localizer`, and playing and recording bags: the only importers of rclpy."""
