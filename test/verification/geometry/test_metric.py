"""Metres from two views of known distance, for points that are known."""

from __future__ import annotations

import numpy as np
import pytest
from scenes3d import MATRIX, PINHOLE, SIZE, error, normalised_square, project

from fol_vpr.datatypes import Pose, RelativePose
from fol_vpr.rigid import quaternion, rotation_about
from fol_vpr.verification import Tracks, metric_pose, patches, rays

TRANSLATION = np.array([0.5, 0.1, 1.0])
ROTATION = rotation_about(np.array([0.0, 0.1, 0.02]))


def tracks(
    rng: np.random.Generator,
    baseline,
    *,
    noise: float = 0.0,
    wrong: float = 0.0,
    covariance: np.ndarray | None = None,
    count: int = 300,
) -> tuple[Tracks, np.ndarray]:
    """What query and views see of points 5 to 20 m away, and the query's positions."""
    xy = rng.uniform([0, 0], SIZE, (count, 2))
    directions = np.concatenate([xy, np.ones((count, 1))], axis=1) @ np.linalg.inv(MATRIX).T
    points = directions * rng.uniform(5, 20, count)[:, None]
    turn = rotation_about(np.array([0.02, 0.03, 0.0]))
    seen = [project(points @ ROTATION.T + TRANSLATION), xy, project((points - baseline) @ turn)]
    noisy = [view + rng.normal(0, noise, view.shape) for view in seen]
    mismatched = int(wrong * count)
    noisy[0][:mismatched] += rng.normal(0, 30, (mismatched, 2))
    noisy[2][mismatched : 2 * mismatched] += rng.normal(0, 30, (mismatched, 2))
    views = [rays(PINHOLE, view, SIZE) for view in noisy]
    pose = Pose(np.array(baseline), quaternion(turn), covariance)
    return Tracks(*views, baseline=pose), noisy[0]


def measured(given: tuple[Tracks, np.ndarray], epipolar=None) -> RelativePose | None:
    together, query_xy = given
    return metric_pose(together, patches(query_xy), limit=2.0, least_patches=15, epipolar=epipolar)


@pytest.mark.parametrize('baseline', [[1.0, 0.0, 0.0], [0.1, 0.0, 2.0], [-0.5, 0.3, -0.5]])
def test_exact_tracks_give_the_exact_pose(baseline):
    found = measured(tracks(np.random.default_rng(0), baseline, wrong=0.1))
    assert found.metric
    np.testing.assert_allclose(error(found, ROTATION, TRANSLATION), 0, atol=2e-3)


@pytest.mark.parametrize('baseline', [[1.0, 0.0, 0.0], [0.1, 0.0, 2.0]])
def test_errors_are_as_large_as_stated(baseline):
    """Normalised squares of six degrees of freedom: their mean over 30 trials is within 4.1 and
    8.3 in 999 of 1000 cases where the covariance is right; ours may be too wide, not too narrow.
    """
    squares = []
    for seed in range(30):
        given = tracks(np.random.default_rng(seed), baseline, noise=0.5, wrong=0.1)
        found = measured(given)
        squares.append(normalised_square(found, error(found, ROTATION, TRANSLATION)))
    assert 1.8 < np.mean(squares) < 8.3


def test_uncertain_views_make_an_uncertain_pose():
    """Drawing the baseline from its covariance moves the pose as far as is stated."""
    spread = np.diag([0.03, 0.03, 0.03, 0.002, 0.002, 0.002]) ** 2
    baseline = np.array([2.0, 0.0, 0.0])
    squares = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        given, query_xy = tracks(rng, baseline, noise=0.2, covariance=spread)
        offset = rng.multivariate_normal(np.zeros(6), spread)
        believed = Pose(
            given.baseline.position + offset[:3],
            quaternion(rotation_about(offset[3:]) @ rotation_about(np.array([0.02, 0.03, 0.0]))),
            spread,
        )
        moved = Tracks(given.query, given.first, given.second, believed)
        found = measured((moved, query_xy))
        assert found is not None
        squares.append(normalised_square(found, error(found, ROTATION, TRANSLATION)))
    assert 3.0 < np.mean(squares) < 9.5


@pytest.mark.parametrize('baseline', [[0.0, 0.0, 0.0], [0.02, 0.0, 0.0]])
def test_views_from_one_spot_measure_nothing(baseline):
    assert measured(tracks(np.random.default_rng(0), baseline, noise=0.5)) is None


def test_few_patches_measure_nothing():
    given, _ = tracks(np.random.default_rng(0), [1.0, 0, 0])
    on_one_patch = np.full((len(given), 2), 100.0)
    assert measured((given, on_one_patch)) is None


def test_a_pose_that_the_pair_contradicts_is_dropped():
    given = tracks(np.random.default_rng(0), [1.0, 0, 0], noise=0.3)
    found = measured(given)
    unit = found.translation / np.linalg.norm(found.translation)
    certain = np.eye(6) * 1e-4
    agrees = RelativePose(unit, found.orientation, certain, metric=False)
    opposite = RelativePose(-unit, found.orientation, certain, metric=False)
    assert measured(given, agrees) is not None
    assert measured(given, opposite) is None


def test_unrelated_positions_measure_nothing():
    rng = np.random.default_rng(0)
    views = [rays(PINHOLE, rng.uniform([0, 0], SIZE, (300, 2)), SIZE) for _ in range(3)]
    pose = Pose(np.array([1.0, 0, 0]), np.array([0.0, 0, 0, 1]))
    given = Tracks(*views, baseline=pose)
    assert measured((given, rng.uniform([0, 0], SIZE, (300, 2)))) is None
