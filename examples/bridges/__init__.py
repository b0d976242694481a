"""Nodes that hand the loop closures of `localizer` to other SLAM back-ends.

How each is started: docs/how-to/back_end.md.
"""
