"""Looks at running nodes from outside: finds them, and reads what they publish."""
