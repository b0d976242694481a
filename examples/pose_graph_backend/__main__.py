"""`python -m examples.pose_graph_backend`, from a checkout whose workspace is sourced."""

from __future__ import annotations

import sys

from examples.pose_graph_backend.node import main

if __name__ == '__main__':
    sys.exit(main())
