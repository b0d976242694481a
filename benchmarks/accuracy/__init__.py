"""How often answers are right, and how precise poses are."""
