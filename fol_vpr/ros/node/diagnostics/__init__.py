"""The diagnostics of the node, on /diagnostics."""
