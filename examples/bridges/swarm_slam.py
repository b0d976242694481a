"""`python -m examples.bridges.swarm_slam`: closures as those of Swarm-SLAM's front-end.

Its messages have no place for a covariance or a probability, and its back-end gives all closures
the same noise.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from examples.bridges.common import RELIABLE_QOS, message_package
from examples.bridges.keyframes import KeyframeBridge
from examples.bridges.motion import transform_message
from examples.running import run
from fol_vpr.ros.messages.conversions import stamp_to_ns


class SwarmSlamBridge(KeyframeBridge):
    """Publishes closures within this robot's drive, and to the sessions of other robots."""

    def __init__(self) -> None:
        self._messages, _ = message_package(
            'cslam_common_interfaces', 'cslam_interfaces of Swarm-SLAM'
        )
        super().__init__('swarm_slam_bridge')
        robots = self.declare_robots()
        self._register = self.declared(
            'register',
            True,
            'Let Swarm-SLAM register closures within this drive that have no transform in metres; '
            'false leaves them out.',
        )
        self._keyframes: dict[int, dict[int, int]] = defaultdict(dict)
        for robot in robots:
            self.create_subscription(
                self._messages.KeyframeOdom,
                f'/r{robot}/cslam/keyframe_odom',
                partial(self._on_keyframe, robot),
                RELIABLE_QOS,
            )
        own = f'/r{self.robot_id}/cslam'
        self._within = self.create_publisher(
            self._messages.IntraRobotLoopClosure, f'{own}/intra_robot_loop_closure', RELIABLE_QOS
        )
        self._between = self.create_publisher(
            self._messages.InterRobotLoopClosure, '/cslam/inter_robot_loop_closure', RELIABLE_QOS
        )
        self._matches = self.create_publisher(
            self._messages.LocalKeyframeMatch, f'{own}/local_keyframe_match', RELIABLE_QOS
        )

    def hand_over(self, candidate: Any) -> None:
        """Publish the closure; whether the back-end takes it is not known here."""
        robots = self.robots(candidate)
        within = robots[0] == robots[1]
        measured = candidate.has_transform and candidate.metric_scale
        if within and self._register and not measured:
            start, end = self.nearest_keyframes(candidate)
            self._matches.publish(
                self._messages.LocalKeyframeMatch(keyframe0_id=start, keyframe1_id=end)
            )
            return
        start, end, motion = self.constraint(candidate)
        transform = transform_message(motion)
        if within:
            self._within.publish(
                self._messages.IntraRobotLoopClosure(
                    keyframe0_id=start, keyframe1_id=end, success=True, transform=transform
                )
            )
        else:
            self._between.publish(
                self._messages.InterRobotLoopClosure(
                    robot0_id=robots[0],
                    robot0_keyframe_id=start,
                    robot1_id=robots[1],
                    robot1_keyframe_id=end,
                    success=True,
                    transform=transform,
                )
            )

    def keyframes(self, robot: int) -> Mapping[int, int]:
        """Stamps of the keyframes that a robot published."""
        return self._keyframes[robot]

    def _on_keyframe(self, robot: int, message: Any) -> None:
        self._keyframes[robot][message.id] = stamp_to_ns(message.odom.header.stamp)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; the exit status."""
    return run(SwarmSlamBridge, 'swarm_slam_bridge', args)


if __name__ == '__main__':
    sys.exit(main())
