"""The odometry that goes with the images of a bag."""

from __future__ import annotations

from collections.abc import Callable

from fol_vpr.datatypes import Pose
from fol_vpr.geometry.rigid import compose
from fol_vpr.sources.bags.bag import Bag
from fol_vpr.sources.bags.mounts import read_mount
from fol_vpr.sources.bags.poses import read_pose_track


class BagOdometry:
    """Poses of the base in a frame that does not jump, by one topic.

    Args:
        bag: the bag.
        topic: odometry or poses.
        max_gap: seconds between two of them that may be interpolated across.

    Attributes:
        frame: whose poses they are; empty where the messages do not tell.
        warnings: in words what was tolerated.

    Raises:
        InputError: no such topic, a topic of another type, or none usable message on it.
    """

    def __init__(self, bag: Bag, topic: str, max_gap: float) -> None:
        self._bag = bag
        self._track, self.warnings = read_pose_track(bag, topic, max_gap)
        self.frame = self._track.child_frame_id
        self._base: Pose | None = None
        self._used = True

    def transform_to(self, base_frame: str, warn: Callable[[str], None]) -> None:
        """Give the poses of this frame from now on, by the tf of the bag.

        There are none any more where that does not tell where it is; `warn` is told so.
        """
        if self.frame in ('', base_frame):
            return
        self._base, reason = read_mount(self._bag, self.frame, base_frame)
        self._used = self._base is not None
        if not self._used:
            warn(
                f'the odometry is of the frame {self.frame}, and {reason}, so that it is left '
                f'out; --base-frame {self.frame} takes it for that of the base'
            )

    def at(self, stamp_ns: int) -> Pose | None:
        """Pose of the base at a moment; None where it is not known."""
        pose = self._track.at(stamp_ns)[0] if self._used else None
        return pose if pose is None or self._base is None else compose(pose, self._base)
