"""What a town is made of, and how it grows from a seed."""
