"""The predictions of other programs for the same queries and references, and ours for them.

The format is that of github.com/gmberton/VPR-methods-evaluation (its commit adbb6e2), which runs
SALAD, MegaLoc, MixVPR, CosPlace, EigenPlaces, NetVLAD and others.
"""
