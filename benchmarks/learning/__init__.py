"""Costs and effects of the losses, and the recall of trained weights."""
