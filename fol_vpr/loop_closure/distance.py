"""How far a drive has gone, by its odometry or by the clock."""

from __future__ import annotations

import math

import numpy as np

from fol_vpr.datatypes import Pose

# Metres per second. Odometry beyond it has jumped, as when it is restarted.
MAX_SPEED = 100.0


class DistanceTracker:
    """The length of the path from image to image.

    Where the odometry of one of two images is missing, or it jumped between them, the seconds
    between them count as metres at a speed. Stamps that go backwards add nothing.

    Args:
        speed: metres per second without odometry.

    Attributes:
        speed: metres per second without odometry, from the next image on.
        distance: metres since the first image.
        seconds: since the first image.
        measured: whether the last image had odometry.
        was_measured: whether any image had odometry.
    """

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._last: tuple[int, Pose | None] | None = None
        self.distance = 0.0
        self.seconds = 0.0
        self.measured = False
        self.was_measured = False

    def update(self, stamp_ns: int, odometry: Pose | None) -> None:
        """Add the step to the next image.

        Args:
            stamp_ns: when it was taken.
            odometry: pose of the base in the odometry frame at that time, or None.
        """
        if self._last is not None:
            last_ns, last = self._last
            elapsed = max(0.0, (stamp_ns - last_ns) / 1e9)
            self.seconds += elapsed
            step = _step_length(last, odometry)
            self.distance += step if step <= MAX_SPEED * elapsed else elapsed * self.speed
        self._last = (stamp_ns, odometry)
        self.measured = odometry is not None
        self.was_measured |= self.measured


def _step_length(before: Pose | None, after: Pose | None) -> float:
    """Metres between two poses, infinite where one is missing."""
    if before is None or after is None:
        return math.inf
    with np.errstate(over='ignore'):
        return float(np.linalg.norm(after.position - before.position))
