"""The verbs of `python -m training`; the only modules of training that print."""
