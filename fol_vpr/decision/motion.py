"""How a robot moves between two images, and where a place that it was at is by then."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Place, Pose
from fol_vpr.decision.places import Locations, geo_metres

# Odometry over a place whose pose is not quite the robot's: metres to the side for each metre.
DRIFT = 0.2
# Where neither odometry nor time is known, an image moves by this share of a place's extent.
STEP = 0.5
# An image this new is that of a robot that moves as fast as it may.
MOVING = 0.3
# No robot goes so many metres between two images: odometry that says so has gone astray.
FARTHEST = 1e6


@dataclass(frozen=True, eq=False)
class Motion:
    """What the robot did between two images.

    Attributes:
        seconds: that passed; 0 where the images carry no times.
        translation: [3] metres in the frame of the base at the first image, or None.
        rotation: [3, 3] of the base at the second image in that frame, or None.
    """

    seconds: float
    translation: np.ndarray | None = None
    rotation: np.ndarray | None = None

    @classmethod
    def between(cls, before: Pose | None, after: Pose | None, seconds: float) -> Motion:
        """The motion between two poses of the odometry, where both are known."""
        if before is None or after is None:
            return cls(seconds)
        with np.errstate(over='ignore'):
            way = after.position - before.position
        if np.abs(way).max() > FARTHEST:
            return cls(seconds)
        start, end = matrix(before.orientation), matrix(after.orientation)
        return cls(seconds, start.T @ way, start.T @ end)

    @property
    def metres(self) -> float | None:
        """How far, as the crow flies; None without odometry."""
        return None if self.translation is None else float(np.linalg.norm(self.translation))

    @property
    def degrees(self) -> float | None:
        """By how much it turned; None without odometry."""
        if self.rotation is None:
            return None
        cosine = (float(np.trace(self.rotation)) - 1) / 2
        return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


@dataclass(frozen=True, eq=False)
class PredictedPose:
    """Where a place is that the robot was seen at, moved on with the robot.

    Attributes:
        place: the reference.
        position: [3] metres in the frame of the map, or None where it has no pose.
        rotation: [3, 3] of the base in that frame, or None.
        spread: metres by which the robot may be off by now, beyond the extent of a place.
        steps: the same in references of a session, for places without positions.
    """

    place: Place
    position: np.ndarray | None
    rotation: np.ndarray | None
    spread: float = 0.0
    steps: float = 0.0

    @classmethod
    def of(cls, place: Place) -> PredictedPose:
        """The predicted of a place that was just seen."""
        if place.pose is not None:
            turned = matrix(place.pose.orientation) if place.pose.has_orientation else None
            return cls(place, place.pose.position, turned)
        return cls(place, geo_metres(place), None)

    def moved(self, motion: Motion, novelty: float, config: VerificationConfig) -> PredictedPose:
        """Where it is after a motion of the robot.

        Args:
            motion: of the robot.
            novelty: how different the images before and after it are, 0 to 1. Where nothing else
                tells how far the robot moved, images that hardly differ do.
            config: the extent of a place, and the speed of the robot.
        """
        position, rotation = self.position, self.rotation
        moving = min(1.0, novelty / MOVING)
        if motion.metres is None:
            way = moving * (config.speed * motion.seconds or STEP * config.place_radius)
        elif position is None or rotation is None or motion.translation is None:
            way = motion.metres
        else:
            position = position + rotation @ motion.translation
            rotation = rotation @ motion.rotation
            way = DRIFT * motion.metres
        steps = moving * STEP * (config.place_index_gap + 0.5)
        return PredictedPose(self.place, position, rotation, self.spread + way, self.steps + steps)

    def reach(self, places: Locations, config: VerificationConfig) -> np.ndarray:
        """For each of some places [N], 0 to 1: would it be shown if the robot is here?

        1 within the extent of a place, and less the farther away, and the less is known.
        """
        if self.position is None:
            return _kernel(places.steps(self.place), config.place_index_gap + 0.5, self.steps)
        metres = places.metres_from(self.position, geodetic=self.place.pose is None)
        return _kernel(metres, max(config.place_radius, 0.01), self.spread)


def matrix(quaternion: np.ndarray) -> np.ndarray:
    """[3, 3] rotation of a unit quaternion x, y, z, w."""
    x, y, z, w = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _kernel(distance: np.ndarray, extent: float, spread: float) -> np.ndarray:
    """Gaussian around the extent of a place, lower the wider it is."""
    beyond = np.maximum(distance - extent, 0.0) / (spread + extent / 4)
    reached = np.exp(-0.5 * np.square(np.nan_to_num(beyond, nan=np.inf, posinf=np.inf)))
    return np.asarray(reached * extent / (extent + spread))
