"""The parameters of the node: declared, checked, applied, documented."""
