"""What the launch files share: their arguments, and the actions that start node and commands."""
