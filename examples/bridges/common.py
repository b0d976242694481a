"""What the bridges share: closures in, answers out."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from examples.bridges.motion import (
    NS,
    STANDING,
    base_motion,
)
from examples.running import ExampleNode
from fol_vpr.config import mount_pose
from fol_vpr.datatypes import Pose
from fol_vpr.errors import FolVprError, InputError
from fol_vpr.ros.node.inputs.camera import StaticMounts
from fol_vpr_msgs.msg import LoopClosureCandidateArray, LoopClosureFeedback

RETRY_PERIOD = 0.2
RELIABLE_QOS = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
STATIC_QOS = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class WaitError(Exception):
    """A closure cannot be handed over yet, because something that it needs may still arrive."""


def message_package(package: str, source: str) -> tuple[Any, Any]:
    """The modules `msg` and `srv` of a message package; None in place of one that it lacks.

    Args:
        package: its name.
        source: where it can be had.

    Raises:
        FolVprError: the package is not installed, or its workspace is not sourced.
    """
    try:
        messages = importlib.import_module(f'{package}.msg')
    except ImportError as error:
        raise FolVprError(
            f'the message package {package} is not installed here: install {source}, and source '
            'its workspace'
        ) from error
    try:
        return messages, importlib.import_module(f'{package}.srv')
    except ImportError:
        return messages, None


class Bridge(ExampleNode):
    """Hands each closure on `loop_closures` over, or answers why it was of no use.

    A closure that has to wait is tried again until `hold` seconds after it arrived.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._hold = float(
            self.declared(
                'hold',
                30.0,
                'Seconds that a closure waits for the keyframes of the back-end and for odometry '
                'around its stamps.',
            )
        )
        mount = self.declared(
            'camera_mount',
            [0.0] * 7,
            "Pose of the camera's optical frame in the base frame: x y z in metres and a unit "
            'quaternion qx qy qz qw; all zero takes it from /tf_static.',
        )
        self._mount = mount_pose(mount) if any(mount) else None
        self._base_frame = str(
            self.declared(
                'base_frame',
                'base_link',
                'Frame of the robot whose poses the back-end estimates and odom gives.',
            )
        )
        self._mounts = StaticMounts()
        self._waiting: list[tuple[int, Any]] = []
        self._feedback = self.create_publisher(
            LoopClosureFeedback, 'loop_closure_feedback', RELIABLE_QOS
        )
        self._listen_to_static_transforms()
        self.create_subscription(
            LoopClosureCandidateArray, 'loop_closures', self._on_closures, RELIABLE_QOS
        )
        self.create_timer(RETRY_PERIOD, self._hand_over_waiting)

    def declared(self, name: str, default: Any, description: str) -> Any:
        """Value of a read-only parameter."""
        descriptor = ParameterDescriptor(description=description, read_only=True)
        return self.declare_parameter(name, default, descriptor).value

    @abstractmethod
    def hand_over(self, candidate: Any) -> None:
        """Give a closure to the back-end.

        Raises:
            WaitError: try again later; says what is missing.
            InputError: the back-end cannot use this closure; says why.
        """

    def motion_of_base(self, candidate: Any, cameras: Pose) -> Pose:
        """Pose of the base at `stamp_to` in the base at `stamp_from`, with a covariance.

        Args:
            candidate: names the cameras.
            cameras: what `measured_motion` gives.

        Raises:
            WaitError: it is not known where a camera sits on the robot.
        """
        frames = candidate.frame_from, candidate.frame_to or candidate.frame_from
        return base_motion(cameras, *(self._mount_of(frame) for frame in frames))

    def answer(self, candidate: Any, *, accepted: bool, reason: str) -> None:
        """Tell the localizer what became of a closure."""
        message = LoopClosureFeedback(candidate_id=candidate.candidate_id, reason=reason)
        message.header.stamp = self.get_clock().now().to_msg()
        statuses = LoopClosureFeedback.REJECTED, LoopClosureFeedback.ACCEPTED
        message.status = statuses[accepted]
        self._feedback.publish(message)
        word = 'accepted' if accepted else 'rejected'
        self.get_logger().info(f'closure {candidate.candidate_id} {word}: {reason}')

    def close(self) -> None:
        """Answer the closures that still wait."""
        for _, candidate in self._waiting:
            self.answer(candidate, accepted=False, reason='unused: the bridge was stopped')

    def _on_closures(self, message: LoopClosureCandidateArray) -> None:
        deadline = self.get_clock().now().nanoseconds + round(NS * self._hold)
        self._waiting += [(deadline, candidate) for candidate in message.candidates]
        self._hand_over_waiting()

    def _hand_over_waiting(self) -> None:
        now, waiting, self._waiting = self.get_clock().now().nanoseconds, self._waiting, []
        for deadline, candidate in waiting:
            try:
                self.hand_over(candidate)
            except WaitError as error:
                if now < deadline:
                    self._waiting.append((deadline, candidate))
                else:
                    self.answer(candidate, accepted=False, reason=f'unused: {error}')
            except InputError as error:
                self.answer(candidate, accepted=False, reason=f'unused: {error}')

    def _listen_to_static_transforms(self) -> None:
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:
            return
        self.create_subscription(TFMessage, '/tf_static', self._on_static, STATIC_QOS)

    def _on_static(self, message: Any) -> None:
        self._mounts.add(message.transforms)

    def _mount_of(self, frame: str) -> Pose:
        if frame and frame == self._base_frame:
            return STANDING
        mount = self._mount or self._mounts.find(self._base_frame, frame)
        if mount is None:
            raise WaitError(
                f'where {frame or "a camera without a frame"} sits on {self._base_frame} is not '
                'known: publish it on /tf_static, or set camera_mount'
            )
        return mount
