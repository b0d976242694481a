"""Loop closures as the messages of other back-ends: pose_graph_tools, RTAB-Map, Swarm-SLAM.

All of them tie poses of the robot's base together, so each needs to know where the cameras sit.
What a target cannot express is refused, not made up: none of them has a place for a direction
without a length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fol_vpr.datatypes import Pose
from fol_vpr.errors import InputError
from fol_vpr.geometry.rigid import compose, inverse, rotation_matrix
from fol_vpr.ros.messages import plain_messages as plain
from fol_vpr.ros.messages.conversions import pose_from_message, stamp_to_ns

BASE = Pose(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]))
"""The mount of a camera whose frame is the base frame."""
INT32, UINT32, UINT64 = 2**31, 2**32, 2**64


def pose_graph_edge(
    candidate: Any, *, mount_from: Pose, mount_to: Pose, robot_from: int = 0, robot_to: int = 0
) -> plain.PoseGraphEdge:
    """An edge whose keys are the stamps in nanoseconds.

    Args:
        candidate: fol_vpr_msgs/LoopClosureCandidate.
        mount_from, mount_to: pose of either camera in the base frame.
        robot_from, robot_to: numbers of the robots.

    Raises:
        InputError: no metric transform with a covariance, or stamps before 1970.
    """
    pose, covariance = _base_motion(candidate, mount_from, mount_to)
    keys = stamp_to_ns(candidate.stamp_from), stamp_to_ns(candidate.stamp_to)
    # GTSAM, whose convention this message has, puts the rotation first.
    swapped = np.roll(covariance, (3, 3), axis=(0, 1))
    return plain.PoseGraphEdge(
        header=plain.Header(_time(candidate.stamp_from)),
        key_from=_within(keys[0], UINT64, 'a key'),
        key_to=_within(keys[1], UINT64, 'a key'),
        robot_from=_within(robot_from, INT32, 'the number of a robot'),
        robot_to=_within(robot_to, INT32, 'the number of a robot'),
        type=plain.PoseGraphEdge.LOOPCLOSE,
        pose=plain.Pose(_vector(pose), _quaternion(pose)),
        covariance=_numbers(swapped),
    )


def pose_graph(edges: Sequence[plain.PoseGraphEdge], frame_id: str = '') -> plain.PoseGraph:
    """Edges as one message, which has the stamp of the last one; there has to be one."""
    return plain.PoseGraph(plain.Header(edges[-1].header.stamp, frame_id), (), tuple(edges))


def rtabmap_link(
    candidate: Any, from_id: int, to_id: int, *, mount_from: Pose, mount_to: Pose
) -> plain.Link:
    """A link of RTAB-Map's type user closure.

    Args:
        candidate: fol_vpr_msgs/LoopClosureCandidate.
        from_id, to_id: of the nodes with its stamps, see `keyframe_at`.
        mount_from, mount_to: pose of either camera in the base frame.

    Raises:
        InputError: no metric transform with a covariance, or no such ids.
    """
    pose, covariance = _base_motion(candidate, mount_from, mount_to)
    information = np.linalg.inv(covariance)
    return plain.Link(
        from_id=_within(from_id, INT32, 'an id of RTAB-Map', least=1),
        to_id=_within(to_id, INT32, 'an id of RTAB-Map', least=1),
        type=plain.Link.USER_CLOSURE,
        transform=_transform(pose),
        information=_numbers(0.5 * (information + information.T)),
    )


def swarm_loop_closure(
    candidate: Any,
    keyframe_from: int,
    keyframe_to: int,
    *,
    mount_from: Pose,
    mount_to: Pose,
    robot_from: int = 0,
    robot_to: int = 0,
) -> plain.InterRobotLoopClosure | plain.IntraRobotLoopClosure:
    """A measured closure for Swarm-SLAM, within one robot or between two.

    Its messages have neither covariance nor probability; send what you trust.

    Args:
        candidate: fol_vpr_msgs/LoopClosureCandidate.
        keyframe_from, keyframe_to: numbers of the keyframes with its stamps, see `keyframe_at`.
        mount_from, mount_to: pose of either camera in the base frame.
        robot_from, robot_to: numbers of the robots.

    Raises:
        InputError: no metric transform with a covariance, or numbers that are not of 32 bit.
    """
    pose, _ = _base_motion(candidate, mount_from, mount_to)
    ids = [_within(each, UINT32, 'a keyframe') for each in (keyframe_from, keyframe_to)]
    if robot_from == robot_to:
        return plain.IntraRobotLoopClosure(ids[0], ids[1], True, _transform(pose))
    robots = [_within(each, UINT32, 'the number of a robot') for each in (robot_from, robot_to)]
    return plain.InterRobotLoopClosure(
        ids[0], robots[0], ids[1], robots[1], True, _transform(pose)
    )


def swarm_match(
    candidate: Any,
    keyframe_from: int,
    keyframe_to: int,
    *,
    robot_from: int = 0,
    robot_to: int = 0,
) -> plain.InterRobotMatch | plain.LocalKeyframeMatch:
    """A pair that Swarm-SLAM is to register itself; needs no transform.

    Arguments and errors as of `swarm_loop_closure`.
    """
    ids = [_within(each, UINT32, 'a keyframe') for each in (keyframe_from, keyframe_to)]
    if robot_from == robot_to:
        return plain.LocalKeyframeMatch(*ids)
    robots = [_within(each, UINT32, 'the number of a robot') for each in (robot_from, robot_to)]
    return plain.InterRobotMatch(robots[0], ids[0], robots[1], ids[1], float(candidate.similarity))


def keyframe_at(stamps: Mapping[int, int], stamp_ns: int, tolerance_ns: int = 1_000_000) -> int:
    """The keyframe or node of a stamp.

    Args:
        stamps: stamp in nanoseconds of each one's number.
        tolerance_ns: RTAB-Map keeps stamps as seconds in a double, which is off by 0.2 µs. Do not
            reach for the neighbouring keyframe: the transform is that between the two stamps.

    Raises:
        InputError: there is none; it may come later, so hold the closure and try again.
    """
    best = min(stamps, key=lambda number: abs(stamps[number] - stamp_ns), default=None)
    if best is None or abs(stamps[best] - stamp_ns) > tolerance_ns:
        nearest = '' if best is None else (
            f', the nearest of {len(stamps)} is {abs(stamps[best] - stamp_ns) / 1e6:.3f} ms away'
        )  # fmt: skip
        raise InputError(
            f'there is no keyframe at {stamp_ns} ns{nearest}: hold the closure until there is'
        )
    return best


def _base_motion(candidate: Any, mount_from: Pose, mount_to: Pose) -> tuple[Pose, np.ndarray]:
    """Pose of the base at `to` in that at `from`, and its covariance in the axes of `to`."""
    name = f'loop closure {candidate.candidate_id}'
    if not candidate.has_transform:
        raise InputError(f'{name} has no transform: nobody measured one, and none is made up')
    if not candidate.metric_scale:
        raise InputError(
            f'{name} has a direction without a length, expected metres: give it to a back-end '
            'that takes directions, as examples/pose_graph_backend does, or leave it out'
        )
    measured = pose_from_message(candidate.from_t_to)
    least = None if measured.covariance is None else np.linalg.eigvalsh(measured.covariance)[0]
    if least is None or least <= 0:
        raise InputError(
            f'{name} has no covariance, or one that is none: its least eigenvalue is '
            f'{0 if least is None else least:.3g}, expected over 0'
        )
    pose = compose(compose(_exact(mount_from), measured), inverse(_exact(mount_to)))
    turned = np.kron(np.eye(2), rotation_matrix(pose.orientation).T)
    covariance = turned @ np.asarray(pose.covariance) @ turned.T
    return pose, 0.5 * (covariance + covariance.T)


def _exact(mount: Pose) -> Pose:
    return Pose(mount.position, mount.orientation)


def _within(number: int, limit: int, name: str, least: int = 0) -> int:
    if not least <= number < limit:
        raise InputError(f'{name} is {number}, expected {least} to {limit - 1}')
    return int(number)


def _time(stamp: Any) -> plain.Time:
    return plain.Time(int(stamp.sec), int(stamp.nanosec))


def _vector(pose: Pose) -> plain.Vector:
    return plain.Vector(*_numbers(pose.position))


def _quaternion(pose: Pose) -> plain.Quaternion:
    return plain.Quaternion(*_numbers(pose.orientation))


def _transform(pose: Pose) -> plain.Transform:
    return plain.Transform(_vector(pose), _quaternion(pose))


def _numbers(array: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in np.ravel(array))
