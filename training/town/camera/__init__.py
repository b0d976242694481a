"""From a town and a condition to a picture."""
