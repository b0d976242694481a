"""How the robot moves between two images, and where an observed place is predicted by then."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Place, Pose
from fol_vpr.decision.places import Locations, geo_metres
from fol_vpr.geometry import rotation_matrix

# The pose of a reference is not quite that of the robot, so that odometry added to it drifts:
# metres of deviation for each metre driven.
DRIFT = 0.2
# Without odometry and time stamps, the robot moves by this share of a place's extent per image.
STEP = 0.5
# An image of at least this novelty is that of a robot that moves at its full speed.
MOVING_NOVELTY = 0.3
# Odometry that reports more metres than this between two images is taken as missing.
MAX_DISTANCE = 1e6


@dataclass(frozen=True, eq=False)
class RobotMotion:
    """Motion of the robot's base between two images.

    Attributes:
        seconds: time between the images; 0 where they carry no time stamps.
        translation: [3] metres in the base frame at the first image; None without odometry.
        rotation: [3, 3] rotation of the base at the second image in that frame; None without
            odometry.
    """

    seconds: float
    translation: np.ndarray | None = None
    rotation: np.ndarray | None = None

    @classmethod
    def between(cls, before: Pose | None, after: Pose | None, seconds: float) -> RobotMotion:
        """The motion between two poses of the base in the odometry frame.

        Args:
            before: at the first image; None without odometry.
            after: at the second image; None without odometry.
            seconds: between the images.
        """
        if before is None or after is None:
            return cls(seconds)
        with np.errstate(over='ignore'):
            displacement = after.position - before.position
        if np.abs(displacement).max() > MAX_DISTANCE:
            return cls(seconds)
        start, end = rotation_matrix(before.orientation), rotation_matrix(after.orientation)
        return cls(seconds, start.T @ displacement, start.T @ end)

    @property
    def metres(self) -> float | None:
        """Straight distance between the two images in metres; None without odometry."""
        return None if self.translation is None else float(np.linalg.norm(self.translation))

    @property
    def degrees(self) -> float | None:
        """Angle of the rotation between the two images, 0 to 180; None without odometry."""
        if self.rotation is None:
            return None
        cosine = (float(np.trace(self.rotation)) - 1) / 2
        return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


@dataclass(frozen=True, eq=False)
class PredictedPose:
    """Predicted pose of a robot that was observed at a place, after the motion since then.

    Attributes:
        place: the reference that it was observed at.
        position: [3] metres in the map frame; None where the map has no positions.
        rotation: [3, 3] rotation of the base in the map frame; None where it is unknown.
        spread: uncertainty of the position in metres, beyond the extent of a place.
        index_spread: uncertainty in references of the session, for places without positions.
    """

    place: Place
    position: np.ndarray | None
    rotation: np.ndarray | None
    spread: float = 0.0
    index_spread: float = 0.0

    @classmethod
    def of(cls, place: Place) -> PredictedPose:
        """The pose at a place that was observed just now."""
        if place.pose is not None:
            oriented = place.pose.has_orientation
            rotation = rotation_matrix(place.pose.orientation) if oriented else None
            return cls(place, place.pose.position, rotation)
        return cls(place, geo_metres(place), None)

    def moved(
        self, motion: RobotMotion, novelty: float, config: VerificationConfig
    ) -> PredictedPose:
        """The predicted pose after a motion.

        Args:
            motion: of the robot.
            novelty: how different the images before and after the motion are, 0 to 1. Without
                odometry, images that hardly differ tell that the robot hardly moved.
            config: `place_radius`, `place_index_gap` and `speed`.
        """
        position, rotation = self.position, self.rotation
        moving = min(1.0, novelty / MOVING_NOVELTY)
        if motion.metres is None:
            spread = moving * (config.speed * motion.seconds or STEP * config.place_radius)
        elif position is None or rotation is None or motion.translation is None:
            spread = motion.metres
        else:
            position = position + rotation @ motion.translation
            rotation = rotation @ motion.rotation
            spread = DRIFT * motion.metres
        index_spread = moving * STEP * (config.place_index_gap + 0.5)
        return PredictedPose(
            self.place,
            position,
            rotation,
            self.spread + spread,
            self.index_spread + index_spread,
        )

    def proximity(self, places: Locations, config: VerificationConfig) -> np.ndarray:
        """How well places [N] agree with this pose, 0 to 1.

        1 within the extent of a place, falling off as a Gaussian beyond it. A larger spread
        widens the Gaussian and lowers its maximum.
        """
        if self.position is None:
            return _kernel(
                places.index_gaps(self.place), config.place_index_gap + 0.5, self.index_spread
            )
        metres = places.metres_from(self.position, geodetic=self.place.pose is None)
        return _kernel(metres, max(config.place_radius, 0.01), self.spread)


def _kernel(distance: np.ndarray, extent: float, spread: float) -> np.ndarray:
    """Values [N] of a Gaussian around the extent of a place; NaN distances give 0."""
    beyond = np.maximum(distance - extent, 0.0) / (spread + extent / 4)
    gaussian = np.exp(-0.5 * np.square(np.nan_to_num(beyond, nan=np.inf, posinf=np.inf)))
    return np.asarray(gaussian * extent / (extent + spread))
