"""Images that the surfaces of a town are covered with, painted from a seed."""
