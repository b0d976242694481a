"""What lifecycle managers need of the node: answers to their requests, and a bond."""
