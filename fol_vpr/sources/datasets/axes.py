"""Axes of data sets, and how they become those of REP-103."""

from __future__ import annotations

import itertools

import numpy as np

from fol_vpr.datatypes import Pose
from fol_vpr.geometry.rigid import quaternion, rotation_matrix
from fol_vpr.sources.trajectories import OPTICAL_IN_BASE

OPTICAL = rotation_matrix(OPTICAL_IN_BASE.orientation)
"""[3, 3] optical axes (x right, y down, z forward) in those of a base that looks the same way."""
DOWN_IS_Z = np.diag([1.0, -1.0, -1.0])
"""[3, 3] between x forward, y right, z down and x forward, y left, z up, in either direction."""
NED_IN_ENU = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
"""[3, 3] axes north, east, down in axes east, north, up; its own inverse."""


def base_of_camera(rotations: np.ndarray) -> np.ndarray:
    """Axes [..., 3, 3] of a base that looks as a camera does, from the camera's optical axes."""
    return np.asarray(rotations @ OPTICAL.T)


def rotations_of(quaternions: np.ndarray) -> np.ndarray:
    """[N, 3, 3] of unit quaternions x, y, z, w [N, 4]."""
    return np.array([rotation_matrix(each) for each in quaternions]).reshape(-1, 3, 3)


def rotations_from_euler(angles: np.ndarray) -> np.ndarray:
    """[N, 3, 3] of roll, pitch and yaw [N, 3] in radians: Rz(yaw) Ry(pitch) Rx(roll)."""
    (sr, sp, sy), (cr, cp, cy) = np.sin(angles).T, np.cos(angles).T
    rows = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def base_in_body(camera_in_body: np.ndarray) -> np.ndarray:
    """Axes [3, 3] of the base in a body whose axes are of no convention.

    They are the body's own axes, exchanged so that x is the one nearest to where the camera looks
    and z the one nearest to the top of its image.

    Args:
        camera_in_body: [3, 3] the optical axes in the body.
    """
    wanted = camera_in_body @ OPTICAL.T
    candidates = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            axes = np.zeros((3, 3))
            axes[list(order), range(3)] = signs
            if np.linalg.det(axes) > 0:
                candidates.append(axes)
    return max(candidates, key=lambda axes: float(np.trace(axes.T @ wanted)))


def mount(rotation: np.ndarray, position: np.ndarray) -> Pose:
    """Pose of an optical frame in the base, from its axes [3, 3] and origin [3]."""
    return Pose(np.asarray(position, float), quaternion(rotation))
