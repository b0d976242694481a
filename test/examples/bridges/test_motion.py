"""Motions of the base out of those of cameras, with the covariance in the axes that are stated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.candidates import BASES, MOUNTS, candidate, drawn_errors

from examples.bridges.motion import (
    NS,
    OdometrySamples,
    base_motion,
    covariance_at_end,
    measured_motion,
    transform_message,
)
from fol_vpr.datatypes import Pose
from fol_vpr.errors import InputError


def motion() -> Pose:
    return base_motion(measured_motion(candidate()), **MOUNTS)


def turned_about_z(angle: float) -> np.ndarray:
    return np.array([0.0, 0.0, np.sin(angle / 2), np.cos(angle / 2)])


def test_the_motion_is_that_of_the_bases_as_from_sees_them():
    assert motion().position == pytest.approx(BASES.position)
    assert abs(motion().orientation @ BASES.orientation) == pytest.approx(1)
    message = transform_message(motion())
    at, turned = message.translation, message.rotation
    assert [at.x, at.y, at.z] == pytest.approx(BASES.position)
    found = np.array([turned.x, turned.y, turned.z, turned.w])
    assert abs(found @ BASES.orientation) == pytest.approx(1)


def test_the_covariance_is_that_of_the_match_alone():
    """Of the mounts, which both ends share, none is known."""
    unsure = {name: replace(mount, covariance=np.eye(6)) for name, mount in MOUNTS.items()}
    found = base_motion(measured_motion(candidate()), **unsure)
    assert found.covariance == pytest.approx(motion().covariance, abs=0)


def test_the_covariance_fits_noise_that_was_drawn():
    errors = drawn_errors()
    whitened = np.linalg.solve(np.linalg.cholesky(covariance_at_end(motion())), errors.T)
    assert np.mean(whitened**2, axis=1) == pytest.approx(np.ones(6), abs=0.1)


@pytest.mark.parametrize(
    ('changes', 'told'),
    [({'has_transform': False}, 'no transform'),
     ({'metric_scale': False}, 'a direction without a length')],
)  # fmt: skip
def test_what_was_not_measured_is_not_made_up(changes, told):
    with pytest.raises(InputError, match=told):
        measured_motion(candidate(**changes))


@pytest.mark.parametrize('covariance', [np.zeros(36), -np.eye(6).reshape(36)])
def test_a_transform_without_a_covariance_is_refused(covariance):
    message = candidate()
    message.from_t_to.covariance = covariance
    with pytest.raises(InputError, match='smallest eigenvalue'):
        measured_motion(message)


def test_odometry_is_interpolated_between_samples():
    odometry = OdometrySamples()
    for second in range(4):
        position = np.array([2.0 * second, 0.0, 0.0])
        odometry.add(second * NS, Pose(position, turned_about_z(0.2 * second)))
    moved = odometry.motion(NS, 5 * NS // 2)
    assert moved.position == pytest.approx([3 * np.cos(0.2), -3 * np.sin(0.2), 0])
    assert moved.orientation == pytest.approx(turned_about_z(0.3))
    assert moved.covariance is None


def test_odometry_says_nothing_of_times_that_it_does_not_cover():
    odometry = OdometrySamples()
    assert odometry.motion(NS, 2 * NS) is None
    for second in (1, 2, 4, 5):
        odometry.add(second * NS, Pose(np.zeros(3), turned_about_z(0.0)))
    odometry.add(3 * NS, Pose(np.zeros(3), turned_about_z(0.0)))
    assert odometry.motion(NS, 2 * NS) is not None
    assert odometry.motion(NS - 1, 2 * NS) is None
    assert odometry.motion(4 * NS, 5 * NS + 1) is None
    # The sample at 3 s came too late, and 2 s without odometry are too long.
    assert odometry.motion(NS, 3 * NS) is None
