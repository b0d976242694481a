"""Which frames of a drive are stored."""

from __future__ import annotations

import math

import numpy as np

from fol_vpr.config import DriveMappingConfig, MappingConfig
from fol_vpr.datatypes import Features, Frame, GeoPosition, Pose


class KeyframeSelector:
    """Compares each frame with the last one that was stored.

    A frame is a keyframe when it is `keyframe_distance` away from the last keyframe or turned by
    `keyframe_angle` against it. Where either of the two has no position, time decides:
    `keyframe_interval`, in whichever direction the stamps run.
    """

    def __init__(self, config: MappingConfig) -> None:
        self._config = config
        self._last: tuple[int, Pose | None, GeoPosition | None] | None = None

    def set_config(self, config: MappingConfig) -> None:
        """Take other distances; the last keyframe stays."""
        self._config = config

    def wants(self, stamp_ns: int, pose: Pose | None, geo: GeoPosition | None) -> bool:
        """Whether a frame of this time and place is to be stored."""
        if self._last is None:
            return True
        last_stamp_ns, last_pose, last_geo = self._last
        if pose is not None and last_pose is not None:
            moved = float(np.linalg.norm(pose.position - last_pose.position))
            turned = turn_between(pose.orientation, last_pose.orientation)
            config = self._config
            return moved >= config.keyframe_distance or turned >= config.keyframe_angle
        if geo is not None and last_geo is not None:
            return geo.distance(last_geo) >= self._config.keyframe_distance
        return abs(stamp_ns - last_stamp_ns) >= self._config.keyframe_interval * 1e9

    def stored(self, stamp_ns: int, pose: Pose | None, geo: GeoPosition | None) -> None:
        """Record that a frame became the last keyframe."""
        self._last = (stamp_ns, pose, geo)


def turn_between(first: np.ndarray, second: np.ndarray) -> float:
    """Angle in degrees, 0 to 180, of the rotation between two unit quaternions [4]."""
    cosine = min(1.0, abs(float(np.dot(first, second))))
    return math.degrees(2 * math.acos(cosine))


class DriveKeyframes:
    """Which images of a running drive become places of the map that it builds.

    As of a bag, by the pose where there are poses, and by time where there are none. A robot
    stands for long on a live drive, so that without poses the view has to have changed as well.

    Args:
        config: when an image is due.
    """

    def __init__(self, config: DriveMappingConfig) -> None:
        self._config = config
        self._selector = KeyframeSelector(
            MappingConfig(
                keyframe_distance=config.keyframe_distance,
                keyframe_angle=config.keyframe_angle,
                keyframe_interval=config.keyframe_interval,
            )
        )
        self._last_view: np.ndarray | None = None

    def is_due(self, frame: Frame) -> bool:
        """Whether an image is due, before its features are known."""
        return self._selector.wants(frame.stamp_ns, frame.pose, None)

    def is_new_view(self, features: Features) -> bool:
        """Whether a due image is to be stored; always, where there are poses."""
        if self._config.poses != 'none' or self._last_view is None:
            return True
        similarity = float(self._last_view @ features.global_descriptor)
        return similarity < self._config.keyframe_similarity

    def skip(self, frame: Frame) -> None:
        """Record that a due image was not stored; the next one is due an interval later."""
        self._selector.stored(frame.stamp_ns, frame.pose, None)

    def store(self, frame: Frame, features: Features) -> None:
        """Record that an image is the last keyframe now."""
        self.skip(frame)
        self._last_view = features.global_descriptor
