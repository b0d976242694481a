"""The odometry of a bag at the times of its images."""

from __future__ import annotations

from collections.abc import Callable

from fol_vpr.datatypes import Pose
from fol_vpr.geometry.rigid import compose
from fol_vpr.sources.bags.bag import Bag
from fol_vpr.sources.bags.clocks import HEADER
from fol_vpr.sources.bags.mounts import read_mount
from fol_vpr.sources.bags.poses import read_pose_track


class BagOdometry:
    """Poses of the base in a frame without jumps, from one topic.

    Args:
        bag: the bag.
        topic: of odometry or poses.
        max_gap: maximum time in seconds between two messages to interpolate; see
            `read_pose_track`.
        stamps: which time the messages have.

    Attributes:
        frame: the frame that the poses are of; empty if the messages do not name it.
        warnings: problems that did not stop the reading, in words.

    Raises:
        InputError: no such topic, a topic of another type, or no usable message on it.
    """

    def __init__(self, bag: Bag, topic: str, max_gap: float, stamps: str = HEADER) -> None:
        self._bag = bag
        self._track, _, self.warnings = read_pose_track(bag, topic, max_gap, stamps)
        self.frame = self._track.child_frame_id
        self._base: Pose | None = None
        self._used = True

    def transform_to(self, base_frame: str, warn: Callable[[str], None]) -> None:
        """From now on give the poses of this frame, which the tf of the bag must connect.

        Args:
            base_frame: of the robot.
            warn: called if the bag has no fixed transform to the frame; `at` then gives None.
        """
        if self.frame in ('', base_frame):
            return
        self._base, reason = read_mount(self._bag, self.frame, base_frame)
        self._used = self._base is not None
        if not self._used:
            warn(
                f'the odometry is of the frame {self.frame}, and {reason}, so that it is not '
                f'used; --base-frame {self.frame} makes that frame the base'
            )

    def at(self, stamp_ns: int) -> Pose | None:
        """Interpolated pose of the base at a time in nanoseconds; None if it is not known."""
        pose = self._track.at(stamp_ns)[0] if self._used else None
        return pose if pose is None or self._base is None else compose(pose, self._base)
