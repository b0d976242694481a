"""What a pose and a camera may be."""

from __future__ import annotations

import numpy as np
import pytest

from fol_vpr.datatypes import UNKNOWN_ANGLE_VARIANCE, Camera, GeoPosition, Pose
from fol_vpr.errors import InputError

AHEAD = np.array([0.0, 0.0, 0.0, 1.0])
MATRIX = np.array([[400.0, 0, 319.5], [0, 410.0, 239.5], [0, 0, 1]])


def changed(row: int, column: int, value: float) -> np.ndarray:
    matrix = MATRIX.copy()
    matrix[row, column] = value
    return matrix


def test_a_quaternion_that_is_nearly_one_is_made_one():
    pose = Pose(np.zeros(3), 1.004 * np.array([0.0, 0.6, 0.0, 0.8]))
    np.testing.assert_allclose(pose.orientation, [0, 0.6, 0, 0.8], atol=1e-12)


@pytest.mark.parametrize(
    'orientation', [np.zeros(4), np.full(4, np.nan), 1.02 * AHEAD, np.array([0.0, 0, 1])]
)
def test_an_orientation_that_is_none_is_refused(orientation):
    with pytest.raises(InputError, match='unit quaternion x, y, z, w'):
        Pose(np.zeros(3), orientation)


@pytest.mark.parametrize(
    'position', [[0.0, 0, np.nan], [np.inf, 0, 0], [0.0, 0], [1e308, 0, 0], [0, -1.1e9, 0]]
)
def test_a_position_that_is_none_is_refused(position):
    with pytest.raises(InputError, match=r'three numbers within ±1e\+09 m'):
        Pose(np.array(position), AHEAD)


@pytest.mark.parametrize(
    'covariance', [np.eye(3), np.zeros(35), np.full((6, 6), np.nan), np.diag([np.inf] * 6)]
)
def test_a_covariance_that_is_none_is_refused(covariance):
    with pytest.raises(InputError, match='covariance of 6 x 6 finite numbers'):
        Pose(np.zeros(3), AHEAD, covariance)


def test_a_covariance_may_come_as_a_row():
    rows = (np.ones((6, 6)) + np.eye(6)).reshape(36)
    assert Pose(np.zeros(3), AHEAD, rows).covariance.tolist() == rows.reshape(6, 6).tolist()


@pytest.mark.parametrize('altitude', [np.inf, -np.inf, 1e308, -2e6])
def test_an_altitude_that_is_none_is_refused(altitude):
    with pytest.raises(InputError, match='altitude within'):
        GeoPosition(48.0, 11.0, altitude)


@pytest.mark.parametrize('altitude', [np.nan, -430.5, 8848.0, 40_000.0])
def test_altitudes_of_the_earth_are_taken(altitude):
    assert GeoPosition(-90.0, 180.0, altitude).latitude == -90


@pytest.mark.parametrize(('axis', 'known'), [(3, True), (4, True), (5, False)])
def test_the_heading_says_whether_an_orientation_means_something(axis, known):
    covariance = 0.01 * np.eye(6)
    covariance[axis, axis] = np.float32(UNKNOWN_ANGLE_VARIANCE)
    assert Pose(np.zeros(3), AHEAD, covariance).has_orientation is known


@pytest.mark.parametrize(
    'matrix',
    [
        np.eye(4),
        changed(0, 0, 0.0),
        changed(1, 1, -410.0),
        changed(0, 2, np.nan),
        changed(0, 1, 400.0),
        changed(0, 1, np.inf),
        changed(1, 0, 3.0),
        changed(2, 0, 0.1),
        changed(2, 2, 0.0),
    ],
)
def test_a_matrix_that_is_no_pinhole_is_refused(matrix):
    with pytest.raises(InputError, match=r'fx s cx / 0 fy cy / 0 0 1.*is the camera calibrated'):
        Camera((640, 480), matrix)
