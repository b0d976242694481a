"""The layers of the FoL network."""
