"""A loop closure as `localizer` publishes it, between two cameras on one robot."""

from __future__ import annotations

import numpy as np

from fol_vpr.datatypes import Pose
from fol_vpr.geometry.rigid import compose, inverse, rotation_from_vector, rotation_matrix
from fol_vpr.ros.messages.conversions import time_from_ns
from fol_vpr_msgs.msg import LoopClosureCandidate

# x right, y down, z forward; half a metre ahead of the base, and one looking backwards.
AHEAD = Pose(np.array([0.5, 0.1, 1.2]), np.array([-0.5, 0.5, -0.5, 0.5]))
BEHIND = Pose(np.array([-0.4, 0.0, 1.1]), np.array([0.5, 0.5, -0.5, -0.5]))
MOUNTS = {'mount_from': AHEAD, 'mount_to': BEHIND}
BASES = Pose(np.array([2.0, 1.0, 0.1]), np.array([0.0, 0.0, 0.6, 0.8]))


STAMP_FROM = 1_700_000_009_123_456_789
STAMP_TO = 1_700_000_001_987_654_321


def candidate(mount_to: Pose = BEHIND, **changes) -> LoopClosureCandidate:
    """Two cameras whose bases are `BASES` apart; `from` is the one that looks ahead."""
    message = LoopClosureCandidate(
        candidate_id=3, similarity=0.75, has_transform=True, metric_scale=True
    )
    message.frame_from = message.frame_to = 'camera'
    message.stamp_from, message.stamp_to = time_from_ns(STAMP_FROM), time_from_ns(STAMP_TO)
    cameras = compose(compose(inverse(AHEAD), BASES), mount_to)
    place, turned = message.from_t_to.pose.position, message.from_t_to.pose.orientation
    place.x, place.y, place.z = (float(value) for value in cameras.position)
    turned.x, turned.y, turned.z, turned.w = (float(value) for value in cameras.orientation)
    message.from_t_to.covariance = stated_covariance().reshape(36)
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def stated_covariance() -> np.ndarray:
    """[6, 6] of `from_t_to`, in the axes of the camera `from`."""
    root = np.random.default_rng(5).normal(size=(6, 6)) * 0.004
    return root @ root.T + 1e-6 * np.eye(6)


def drawn_errors() -> np.ndarray:
    """[N, 6]: how far bases are off along and about the axes of `to`, for noise as stated."""
    rng = np.random.default_rng(6)
    message = candidate()
    pose = message.from_t_to.pose
    position = np.array([pose.position.x, pose.position.y, pose.position.z])
    turned = pose.orientation
    rotation = rotation_matrix(np.array([turned.x, turned.y, turned.z, turned.w]))
    mounts = [(rotation_matrix(m.orientation), m.position) for m in (AHEAD, BEHIND)]
    base = rotation_matrix(BASES.orientation)
    found = []
    for noise in rng.multivariate_normal(np.zeros(6), stated_covariance(), 6000):
        cameras = rotation_from_vector(noise[3:]) @ rotation, position + noise[:3]
        (r_from, p_from), (r_to, p_to) = mounts
        whole = r_from @ cameras[0] @ r_to.T
        moved = r_from @ cameras[1] + p_from - whole @ p_to
        off = base.T @ whole
        about = 0.5 * np.array(
            [off[2, 1] - off[1, 2], off[0, 2] - off[2, 0], off[1, 0] - off[0, 1]]
        )
        found.append(np.concatenate([base.T @ (moved - BASES.position), about]))
    return np.array(found)
