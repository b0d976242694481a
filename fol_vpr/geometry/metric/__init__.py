"""Relative poses in metres: matches aligned in the images, and a second view of known baseline."""
