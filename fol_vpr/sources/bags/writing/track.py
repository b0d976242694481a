"""Poses that are written into a bag beside its images."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fol_vpr.config import BagWriterConfig
from fol_vpr.errors import InputError
from fol_vpr.sources.bags.poses import NAV_SAT_FIX, ODOMETRY, POSE, POSE_WITH_COVARIANCE
from fol_vpr.sources.bags.writing.messages import pose_message
from fol_vpr.sources.bags.writing.writer import MAX_STAMP_NS, TimedMessage
from fol_vpr.sources.trajectories import read_trajectory
from fol_vpr.sources.utm_positions import Location

_POSE_TYPES = {
    'PoseStamped': POSE,
    'PoseWithCovarianceStamped': POSE_WITH_COVARIANCE,
    'Odometry': ODOMETRY,
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Track:
    """Poses or positions with times.

    Attributes:
        locations: in order of their stamps.
        config: topic and type of the messages, and their frames.
    """

    locations: Sequence[Location]
    config: BagWriterConfig

    @property
    def types(self) -> dict[str, str]:
        """The message type of the topic of the poses; empty where there are none."""
        return {self.config.pose_topic: self._type()} if self.locations else {}

    def messages(self) -> Iterator[TimedMessage]:
        """One message for each pose."""
        msgtype = self.types.get(self.config.pose_topic, '')
        for location in self.locations:
            yield TimedMessage(
                location.stamp_ns or 0,
                self.config.pose_topic,
                partial(pose_message, location, msgtype, self.config),
            )

    def _type(self) -> str:
        if self.locations[0].pose is None:
            return NAV_SAT_FIX
        if self.config.pose_type != 'auto':
            return _POSE_TYPES[self.config.pose_type]
        uncertain = any(each.pose and each.pose.covariance is not None for each in self.locations)
        return POSE_WITH_COVARIANCE if uncertain else POSE


def read_track(path: str | Path | None, stamps: list[int], config: BagWriterConfig) -> Track:
    """Read poses or positions with times.

    Args:
        path: a CSV, or a trajectory of TUM, KITTI or EuRoC; None gives no poses.
        stamps: of the images, in nanoseconds.
        config: topics, type and frames of the messages.

    Raises:
        InputError: the file cannot be used, or images and poses have the same topic.
    """
    locations = [] if path is None else read_trajectory(Path(path), stamps)
    times = [each.stamp_ns or 0 for each in locations]
    if times and (max(stamps) < min(times) or min(stamps) > max(times)):
        log.warning(
            'no image lies within the times of %s: images are from %.3f to %.3f s, poses from '
            '%.3f to %.3f s; give the times of the images (--stamps, --first-stamp)',
            path, min(stamps) / 1e9, max(stamps) / 1e9, min(times) / 1e9, max(times) / 1e9,
        )  # fmt: skip
    if times and times[-1] > MAX_STAMP_NS:
        raise InputError(
            f'{path} holds a time of {times[-1]} ns, after the year 2038, where ROS times end'
        )
    if locations and config.pose_topic == config.image_topic:
        raise InputError(f'{config.pose_topic} cannot be the topic of the images and of the poses')
    return Track(locations, config)
