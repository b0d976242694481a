"""The compiled bundle adjustment, compared with NumPy's over many problems."""

from __future__ import annotations

from dataclasses import fields
from unittest import mock

import numpy as np
import pytest
from helpers.geometry.points import MATRIX, PINHOLE, SIZE, project
from helpers.processes.compiled_code import computed, in_both_ways

from fol_vpr.datatypes import Pose
from fol_vpr.geometry import pixels_to_rays
from fol_vpr.geometry.metric import bundle_adjustment
from fol_vpr.geometry.metric.bundle_adjustment import (
    BundleState,
    ReducedResiduals,
    ThreeViewTracks,
    bundle_adjust,
)
from fol_vpr.geometry.metric.three_views import _triangulate
from fol_vpr.geometry.rigid import quaternion, rotation_from_vector


def problem(seed: int) -> tuple[ThreeViewTracks, BundleState]:
    """Tracks of 20 or of 200 points near and far, a fifth of them wrong, and a rough start."""
    rng = np.random.default_rng(seed)
    count = [20, 200][seed % 2]
    rotation, turn = rotation_from_vector(rng.normal(0, 0.1, (2, 3)))
    translation, position = rng.normal(0, 0.7, (2, 3))
    xy = rng.uniform([0, 0], SIZE, (count, 2))
    directions = np.concatenate([xy, np.ones((count, 1))], axis=1) @ np.linalg.inv(MATRIX).T
    points = directions * rng.uniform(3, [20, 1e5][seed // 2 % 2], count)[:, None]
    seen = [project(points @ rotation.T + translation), xy, project((points - position) @ turn)]
    noisy = [view + rng.normal(0, 0.5, view.shape) for view in seen]
    noisy[0][: count // 5] += rng.normal(0, 30, (count // 5, 2))
    rays = [pixels_to_rays(PINHOLE, view, SIZE) for view in noisy]
    start = BundleState(
        rotation_from_vector(rng.normal(0, 0.02, 3)) @ rotation,
        translation + rng.normal(0, 0.1, 3),
        points * rng.uniform(0.9, 1.1, (count, 1)),
    )
    return ThreeViewTracks(*rays, baseline=Pose(position, quaternion(turn))), start


def linearised(tracks: ThreeViewTracks, state: BundleState) -> ReducedResiduals:
    """At the start, before any step."""
    with mock.patch.object(bundle_adjustment, 'MAX_STEPS', 0):
        found, linear, _ = bundle_adjust(tracks, state, 4.0)
    np.testing.assert_array_equal(found.points, state.points)
    return linear


def assert_equal(found: ReducedResiduals, expected: ReducedResiduals, tolerance: float) -> None:
    for name in (field.name for field in fields(ReducedResiduals)):
        one, other = getattr(found, name), getattr(expected, name)
        # Points far away move by kilometres for a pixel: each point has a scale of its own.
        axes = tuple(range(1, one.ndim))
        scale = 1 + np.abs(other).max(axis=axes, keepdims=True)
        np.testing.assert_allclose(one / scale, other / scale, atol=tolerance, err_msg=name)


@pytest.mark.parametrize('seed', range(12))
def test_the_linearisation_is_that_of_numpy(seed):
    one, other = in_both_ways(lambda: linearised(*problem(seed)))
    # The normal matrix of a point far away loses half of the digits, in both ways.
    assert_equal(other, one, 1e-9 if seed // 2 % 2 == 0 else 1e-5)


def test_points_at_the_camera_give_finite_numbers():
    tracks, start = problem(1)
    start.points[:3] = [[0.0, 0.0, 0.0], [1.0, 0.0, 1e-9], [0.0, 2.0, -3.0]]
    with computed('compiled'):
        found = linearised(tracks, start)
    for name in (field.name for field in fields(ReducedResiduals)):
        assert np.isfinite(getattr(found, name)).all()


# Those without points far away, which nothing determines but rounding errors.
@pytest.mark.parametrize('seed', [0, 1, 4, 5, 8, 9, 12, 13])
def test_the_adjusted_pose_is_that_of_numpy(seed):
    (one, _, one_weights), (other, _, other_weights) = in_both_ways(
        lambda: bundle_adjust(*problem(seed), 4.0)
    )
    np.testing.assert_allclose(other.rotation, one.rotation, atol=1e-7)
    np.testing.assert_allclose(other.translation, one.translation, atol=1e-6)
    np.testing.assert_allclose(other_weights, one_weights, atol=1e-5)


@pytest.mark.parametrize('seed', range(12))
def test_the_triangulated_points_are_those_of_numpy(seed):
    """Some of them are outliers, behind a camera or at its very height."""
    tracks, _ = problem(seed)
    (rows, points), (other_rows, others) = in_both_ways(lambda: _triangulate(tracks, 0.5))
    assert 0 < len(rows) < len(tracks)
    np.testing.assert_array_equal(other_rows, rows)
    np.testing.assert_allclose(others, points, rtol=1e-6)
