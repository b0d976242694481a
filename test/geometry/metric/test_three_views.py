"""Metric poses from two views with a known baseline, for synthetic points."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
from helpers.geometry.points import MATRIX, PINHOLE, SIZE, error, normalised_square, project
from helpers.processes.compiled_code import WAYS, computed

from fol_vpr.datatypes import Pose, RelativePose
from fol_vpr.geometry import ThreeViewTracks, metric_pose, patch_ids, pixels_to_rays
from fol_vpr.geometry.metric import three_views
from fol_vpr.geometry.metric.bundle_adjustment import BundleState, _linearise
from fol_vpr.geometry.rigid import (
    quaternion,
    rotation_from_vector,
    rotation_matrix,
    rotation_vector,
)

TRANSLATION = np.array([0.5, 0.1, 1.0])
ROTATION = rotation_from_vector(np.array([0.0, 0.1, 0.02]))


@pytest.fixture(scope='module', params=WAYS, autouse=True)
def way(request) -> Iterator[str]:
    with computed(request.param):
        yield request.param


def tracks(
    rng: np.random.Generator,
    baseline,
    *,
    noise: float = 0.0,
    wrong: float = 0.0,
    covariance: np.ndarray | None = None,
    count: int = 300,
) -> tuple[ThreeViewTracks, np.ndarray]:
    """Tracks of points 5 to 20 m away, and their positions in the query."""
    xy = rng.uniform([0, 0], SIZE, (count, 2))
    directions = np.concatenate([xy, np.ones((count, 1))], axis=1) @ np.linalg.inv(MATRIX).T
    points = directions * rng.uniform(5, 20, count)[:, None]
    turn = rotation_from_vector(np.array([0.02, 0.03, 0.0]))
    seen = [project(points @ ROTATION.T + TRANSLATION), xy, project((points - baseline) @ turn)]
    noisy = [view + rng.normal(0, noise, view.shape) for view in seen]
    mismatched = int(wrong * count)
    noisy[0][:mismatched] += rng.normal(0, 30, (mismatched, 2))
    noisy[2][mismatched : 2 * mismatched] += rng.normal(0, 30, (mismatched, 2))
    views = [pixels_to_rays(PINHOLE, view, SIZE) for view in noisy]
    pose = Pose(np.array(baseline), quaternion(turn), covariance)
    return ThreeViewTracks(*views, baseline=pose), noisy[0]


def measured(given: tuple[ThreeViewTracks, np.ndarray], epipolar=None) -> RelativePose | None:
    together, query_xy = given
    return metric_pose(together, patch_ids(query_xy), limit=2.0, min_patches=15, epipolar=epipolar)


@pytest.mark.parametrize('baseline', [[1.0, 0.0, 0.0], [0.1, 0.0, 2.0], [-0.5, 0.3, -0.5]])
def test_exact_tracks_give_the_exact_pose(baseline):
    found = measured(tracks(np.random.default_rng(0), baseline, wrong=0.1))
    assert found.metric
    np.testing.assert_allclose(error(found, ROTATION, TRANSLATION), 0, atol=2e-3)


@pytest.mark.parametrize('baseline', [[1.0, 0.0, 0.0], [0.1, 0.0, 2.0]])
def test_errors_agree_with_the_stated_covariance(baseline):
    """Normalised squares of six degrees of freedom: their mean over 30 trials is within 4.1 and
    8.3 in 999 of 1000 cases where the covariance is right; ours may be too wide, not too narrow.
    """
    squares = []
    for seed in range(30):
        given = tracks(np.random.default_rng(seed), baseline, noise=0.5, wrong=0.1)
        found = measured(given)
        squares.append(normalised_square(found, error(found, ROTATION, TRANSLATION)))
    assert 1.8 < np.mean(squares) < 8.3


def test_an_uncertain_baseline_gives_an_uncertain_pose():
    """Baselines drawn from their covariance scatter the pose as much as stated."""
    spread = np.diag([0.03, 0.03, 0.03, 0.002, 0.002, 0.002]) ** 2
    baseline = np.array([2.0, 0.0, 0.0])
    squares = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        given, query_xy = tracks(rng, baseline, noise=0.2, covariance=spread)
        offset = rng.multivariate_normal(np.zeros(6), spread)
        believed = Pose(
            given.baseline.position + offset[:3],
            quaternion(
                rotation_from_vector(offset[3:])
                @ rotation_from_vector(np.array([0.02, 0.03, 0.0]))
            ),
            spread,
        )
        moved = ThreeViewTracks(given.query, given.first, given.second, believed)
        found = measured((moved, query_xy))
        assert found is not None
        squares.append(normalised_square(found, error(found, ROTATION, TRANSLATION)))
    assert 3.0 < np.mean(squares) < 9.5


@pytest.mark.parametrize('baseline', [[0.0, 0.0, 0.0], [0.02, 0.0, 0.0]])
def test_views_without_baseline_give_no_pose(baseline):
    assert measured(tracks(np.random.default_rng(0), baseline, noise=0.5)) is None


def test_points_on_few_patches_give_no_pose():
    given, _ = tracks(np.random.default_rng(0), [1.0, 0, 0])
    on_one_patch = np.full((len(given), 2), 100.0)
    assert measured((given, on_one_patch)) is None


def test_a_pose_that_contradicts_the_epipolar_pose_is_rejected():
    given = tracks(np.random.default_rng(0), [1.0, 0, 0], noise=0.3)
    found = measured(given)
    unit = found.translation / np.linalg.norm(found.translation)
    certain = np.eye(6) * 1e-4
    agrees = RelativePose(unit, found.orientation, certain, metric=False)
    opposite = RelativePose(-unit, found.orientation, certain, metric=False)
    assert measured(given, agrees) is not None
    assert measured(given, opposite) is None


def test_unrelated_positions_give_no_pose():
    rng = np.random.default_rng(0)
    views = [pixels_to_rays(PINHOLE, rng.uniform([0, 0], SIZE, (300, 2)), SIZE) for _ in range(3)]
    pose = Pose(np.array([1.0, 0, 0]), np.array([0.0, 0, 0, 1]))
    given = ThreeViewTracks(*views, baseline=pose)
    assert measured((given, rng.uniform([0, 0], SIZE, (300, 2)))) is None


# ---- conditions for a metric pose


def points_before(rng: np.random.Generator, count: int = 300) -> np.ndarray:
    """[count, 3] points 5 to 20 m in front of the first camera, spread over its image."""
    xy = rng.uniform([0, 0], SIZE, (count, 2))
    directions = np.concatenate([xy, np.ones((count, 1))], axis=1) @ np.linalg.inv(MATRIX).T
    return directions * rng.uniform(5, 20, count)[:, None]


def seen(
    points: np.ndarray,
    query_at=-TRANSLATION,
    second_at=(1.0, 0.0, 0.0),
    covariance: np.ndarray | None = None,
) -> ThreeViewTracks:
    """Exact tracks in three cameras of equal orientation, also of points behind them."""
    views = [points - np.array(at) for at in (query_at, (0, 0, 0), second_at)]
    baseline = Pose(np.array(second_at, float), np.array([0.0, 0, 0, 1]), covariance)
    return ThreeViewTracks(
        *(pixels_to_rays(PINHOLE, project(view), SIZE) for view in views), baseline=baseline
    )


def pose_of(
    given: ThreeViewTracks, *, limit: float = 2.0, share: int = 1, **how
) -> RelativePose | None:
    """As metric_pose, with `share` points on each patch."""
    how = {'min_patches': 1, 'epipolar': None, **how}
    return metric_pose(given, np.arange(len(given)) // share, limit=limit, **how)


def moved(view, rows: slice, by: np.ndarray):
    """Rays of a view with some positions displaced by `by` pixels."""
    xy = view.xy @ np.diag(np.diag(MATRIX)[:2]) + MATRIX[:2, 2]
    xy[rows] += by
    return pixels_to_rays(PINHOLE, xy, SIZE)


def test_twenty_points_are_needed():
    points = points_before(np.random.default_rng(0), 20)
    assert pose_of(seen(points)) is not None
    assert pose_of(seen(points[:19])) is None
    # Small displacements stay inliers of RANSAC; larger ones get weight 0 in the adjustment.
    given = seen(points_before(np.random.default_rng(0), 27))
    up_and_down = np.array([[0.0, 1.0], [0.0, -1.0]] * 4)
    for pixels, is_measured in ((0.4, True), (3.7, False)):
        query = moved(given.query, slice(0, 8), pixels * up_and_down)
        found = pose_of(dataclasses.replace(given, query=query))
        assert (found is not None) == is_measured


def test_too_few_patches_are_noticed_before_the_pose_is_searched(monkeypatch):
    """The search takes most of the time, and cannot add patches."""
    searched = []
    monkeypatch.setattr(three_views, '_resect', lambda *given: searched.append(given))
    given = seen(points_before(np.random.default_rng(0), 40))
    assert pose_of(given, share=2, min_patches=21) is None
    assert not searched
    assert pose_of(given, share=2, min_patches=20) is None
    assert len(searched) == 1


@pytest.mark.parametrize(('share', 'is_measured'), [(0.4, True), (0.6, False)])
def test_at_least_half_of_the_tracks_must_be_inliers(share, is_measured):
    rng = np.random.default_rng(1)
    given = seen(points_before(rng))
    rows = slice(0, int(share * 300))
    query = moved(given.query, rows, rng.normal(0, 60, (rows.stop, 2)))
    found = pose_of(dataclasses.replace(given, query=query))
    assert (found is not None) == is_measured


def test_points_that_contradict_the_baseline_do_not_count():
    """They are removed by triangulation, before the inliers of the query are counted."""
    rng = np.random.default_rng(2)
    given = seen(points_before(rng))
    second = moved(given.second, slice(0, 165), np.array([0.0, 40.0]))
    found = pose_of(dataclasses.replace(given, second=second))
    np.testing.assert_allclose(found.translation, TRANSLATION, atol=2e-3)


def test_errors_beyond_the_limit_give_no_pose():
    rng = np.random.default_rng(3)
    given = seen(points_before(rng))
    query = moved(given.query, slice(None), rng.normal(0, 3.0, (300, 2)))
    shaken = dataclasses.replace(given, query=query)
    assert pose_of(shaken, limit=10.0) is not None
    assert pose_of(shaken, limit=0.7) is None


@pytest.mark.parametrize(('back', 'is_measured'), [(14.0, True), (25.0, False)])
def test_a_distant_query_gives_no_pose(back, is_measured):
    """The median depth of the points is 12.5 m."""
    given = seen(points_before(np.random.default_rng(4)), query_at=(0, 0, -back))
    assert (pose_of(given) is not None) == is_measured


@pytest.mark.parametrize(('metres', 'is_measured'), [(0.3, True), (5.0, False)])
def test_a_very_uncertain_baseline_gives_no_pose(metres, is_measured):
    covariance = np.diag([metres**2] * 3 + [1e-6] * 3)
    given = seen(points_before(np.random.default_rng(5)), covariance=covariance)
    assert (pose_of(given) is not None) == is_measured


@pytest.mark.parametrize(('ahead', 'is_measured'), [(3.0, True), (10.0, False)])
def test_points_behind_the_query_do_not_count(ahead, is_measured):
    """Their projections are mirrored, which happens for wrong matches only.

    Two in five are behind at 10 m, and a quarter is mismatched: less than half is left.
    """
    rng = np.random.default_rng(7)
    given = seen(points_before(rng), query_at=(0.1, 0.2, ahead))
    query = moved(given.query, slice(0, 75), rng.normal(0, 60, (75, 2)))
    found = pose_of(dataclasses.replace(given, query=query))
    assert (found is not None) == is_measured


def test_points_behind_the_second_view_do_not_count():
    given = seen(points_before(np.random.default_rng(7)), second_at=(0.5, 0.0, 25.0))
    assert pose_of(given) is None


def test_a_rotation_that_contradicts_the_epipolar_pose_is_rejected():
    given = seen(points_before(np.random.default_rng(8)))
    unit = TRANSLATION / np.linalg.norm(TRANSLATION)
    for degrees, is_measured in ((0.5, True), (8.0, False)):
        turned = quaternion(rotation_from_vector(np.array([0, np.deg2rad(degrees), 0])))
        pair = RelativePose(unit, turned, np.eye(6) * 1e-4, metric=False)
        assert (pose_of(given, epipolar=pair) is not None) == is_measured


# ---- covariance


def test_the_covariance_has_a_lower_bound():
    """The residuals of exact positions underestimate the error of real ones."""
    points = points_before(np.random.default_rng(9))
    exact = np.trace(pose_of(seen(points)).covariance)
    given = seen(points)
    rng = np.random.default_rng(9)
    views = [
        moved(view, slice(None), rng.normal(0, 0.25, (300, 2)))
        for view in (given.query, given.first, given.second)
    ]
    noisy = np.trace(pose_of(ThreeViewTracks(*views, baseline=given.baseline)).covariance)
    assert exact > 0.3 * noisy


def test_errors_of_points_in_one_patch_are_dependent():
    given = seen(points_before(np.random.default_rng(10)))
    alone, together = pose_of(given).covariance, pose_of(given, share=10).covariance
    np.testing.assert_allclose(together, 10 * alone, rtol=0.02)


def some_tracks(step: np.ndarray, base: np.ndarray) -> tuple[ThreeViewTracks, BundleState]:
    """Exact tracks, with steps [6] applied to the query's pose and to the second view's."""
    turn = rotation_from_vector(np.array([0.02, 0.03, 0.1]))
    at = np.array([1.0, 0.2, 0.3])
    points = points_before(np.random.default_rng(11), 40)
    views = (project(points @ ROTATION.T + TRANSLATION), project(points))
    given = [
        pixels_to_rays(PINHOLE, view, SIZE) for view in (*views, project((points - at) @ turn))
    ]
    baseline = Pose(at + base[:3], quaternion(rotation_from_vector(base[3:]) @ turn))
    state = BundleState(rotation_from_vector(step[3:]) @ ROTATION, TRANSLATION + step[:3], points)
    return ThreeViewTracks(*given, baseline=baseline), state


def test_derivatives_are_those_of_the_residuals():
    """Compared with finite differences at zero residuals, where the derivatives are exact."""
    still = np.zeros(6)
    linear = _linearise(*some_tracks(still, still))

    def difference(of: str, which: int, axis: int) -> np.ndarray:
        ends = []
        for size in (1e-5, -1e-5):
            steps = [still, still]
            steps[which] = size * np.eye(6)[axis]
            ends.append(getattr(_linearise(*some_tracks(*steps)), of))
        return (ends[0] - ends[1]) / 2e-5

    for derivative, of, which in (
        ('by_pose', 'residuals', 0),
        ('by_baseline', 'residuals', 1),
        ('points_by_pose', 'points', 0),
    ):
        stated = getattr(linear, derivative)
        found = np.stack([difference(of, which, axis) for axis in range(6)], axis=2)
        largest = np.abs(stated).max()
        assert largest > 1
        np.testing.assert_allclose(found, stated, atol=1e-4 * largest, err_msg=derivative)


def test_errors_of_the_baseline_are_propagated_to_the_pose():
    """Compared with poses from shifted baselines, for correlated errors."""
    rng = np.random.default_rng(12)
    root = np.diag([0.03] * 3 + [0.003] * 3) @ rng.normal(size=(6, 6))
    spread = root @ root.T
    baseline = np.array([2.0, 0.3, 0.1])

    def pose(moved_by: np.ndarray, covariance: np.ndarray | None) -> RelativePose:
        given, _ = tracks(np.random.default_rng(13), baseline, covariance=covariance)
        turn = rotation_from_vector(moved_by[3:]) @ rotation_from_vector(
            np.array([0.02, 0.03, 0.0])
        )
        at = Pose(baseline + moved_by[:3], quaternion(turn), covariance)
        return pose_of(dataclasses.replace(given, baseline=at))

    still = np.zeros(6)
    by_baseline = np.zeros((6, 6))
    for axis in range(6):
        ends = [pose(size * np.eye(6)[axis], None) for size in (1e-3, -1e-3)]
        turn = rotation_matrix(ends[0].orientation) @ rotation_matrix(ends[1].orientation).T
        by_baseline[:3, axis] = (ends[0].translation - ends[1].translation) / 2e-3
        by_baseline[3:, axis] = rotation_vector(turn) / 2e-3
    added = pose(still, spread).covariance - pose(still, None).covariance
    expected = by_baseline @ spread @ by_baseline.T
    largest = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(
        added / np.outer(largest, largest), expected / np.outer(largest, largest), atol=0.05
    )
