"""How far a drive has gone, by its odometry or by the clock."""

from __future__ import annotations

import numpy as np

from fol_vpr.datatypes import Pose


class Travel:
    """The length of the path from image to image.

    Where the odometry of one of two images is missing, the seconds between them count as metres
    at a speed. Stamps that go backwards add nothing.

    Args:
        speed: metres per second without odometry.

    Attributes:
        path: metres since the first image.
        seconds: likewise.
        measured: whether the last image had odometry.
        was_measured: whether any had.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._last: tuple[int, Pose | None] | None = None
        self.path = 0.0
        self.seconds = 0.0
        self.measured = False
        self.was_measured = False

    def moved(self, stamp_ns: int, odometry: Pose | None) -> None:
        """Take note of the next image.

        Args:
            stamp_ns: when it was taken.
            odometry: pose of the base in the frame of the odometry at that time, or None.
        """
        if self._last is not None:
            last_ns, last = self._last
            elapsed = max(0.0, (stamp_ns - last_ns) / 1e9)
            self.seconds += elapsed
            if odometry is not None and last is not None:
                self.path += float(np.linalg.norm(odometry.position - last.position))
            else:
                self.path += elapsed * self._speed
        self._last = (stamp_ns, odometry)
        self.measured = odometry is not None
        self.was_measured |= self.measured
