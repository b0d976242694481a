"""Alignment and absolute trajectory error against cases worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fol_vpr.errors import InputError
from fol_vpr.evaluation.trajectories import absolute_trajectory_error, align

SQUARE = np.array([[0.0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]])


def rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """[3, 3], by Rodrigues' formula."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross


@given(
    st.integers(0, 2**31), st.integers(3, 30), st.floats(-math.pi, math.pi),
    st.floats(-100, 100), st.booleans(),
)  # fmt: skip
def test_a_rigid_motion_is_found_and_is_no_error(seed, count, angle, away, flat):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(count, 3)) * [10, 10, 0 if flat else 10]
    turned = rotation(rng.normal(size=3), angle)
    estimated = truth @ turned.T + away
    found = align(estimated, truth)
    assert np.linalg.det(found.rotation) == pytest.approx(1)
    assert found.rotation @ found.rotation.T == pytest.approx(np.eye(3), abs=1e-9)
    assert found.apply(estimated) == pytest.approx(truth, abs=1e-6)
    assert absolute_trajectory_error(estimated, truth).largest < 1e-6


def test_a_wrong_scale_is_an_error_of_known_size():
    # About its centre, each corner of a square with sides of 2 m is √2 m out; a tenth of that.
    found = absolute_trajectory_error(1.1 * SQUARE + [5, 6, 7], SQUARE)
    tenth = 0.1 * math.sqrt(2)
    assert (found.rmse, found.mean, found.median, found.largest) == pytest.approx([tenth] * 4)


def test_one_corner_off():
    # Lifted corners of a square alternate: no rigid motion helps, by symmetry.
    lifted = SQUARE + np.array([[0, 0, h] for h in (0.3, -0.3, 0.3, -0.3)])
    found = absolute_trajectory_error(lifted, SQUARE)
    assert (found.rmse, found.largest) == pytest.approx((0.3, 0.3))


def test_a_mirrored_way_is_not_turned_into_the_right_one():
    truth = np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]])
    mirrored = truth * [1, 1, -1]
    assert absolute_trajectory_error(mirrored, truth).rmse > 0.5


def test_positions_on_a_line():
    truth = np.outer(np.arange(5.0), [1, 0, 0])
    estimated = np.array([3.0, 2, 1]) + np.outer(np.arange(5.0), [0, 0, 1])
    assert absolute_trajectory_error(estimated, truth).rmse == pytest.approx(0, abs=1e-9)
    assert absolute_trajectory_error(truth[:1], SQUARE[:1]).rmse == 0


def test_no_alignment_is_better():
    rng = np.random.default_rng(3)
    truth = rng.normal(size=(40, 3))
    estimated = truth + 0.2 * rng.normal(size=(40, 3))
    best = absolute_trajectory_error(estimated, truth).rmse
    found = align(estimated, truth)
    for _ in range(200):
        turned = rotation(rng.normal(size=3), 0.02 * rng.normal()) @ found.rotation
        moved = estimated @ turned.T + found.translation + 0.02 * rng.normal(size=3)
        assert np.sqrt(np.mean(np.sum((moved - truth) ** 2, axis=1))) >= best


@pytest.mark.parametrize(
    ('estimated', 'truth', 'told'),
    [
        (SQUARE[:2], SQUARE, '2 estimated positions cannot be compared with 4'),
        (SQUARE[:0], SQUARE[:0], 'positions'),
        (SQUARE[:, :2], SQUARE[:, :2], r'got \(4, 2\)'),
        (SQUARE * math.nan, SQUARE, 'NaN'),
    ],
)
def test_what_cannot_be_compared_is_refused(estimated, truth, told):
    with pytest.raises(InputError, match=told):
        absolute_trajectory_error(estimated, truth)
