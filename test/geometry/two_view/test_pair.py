"""Geometric verification of synthetic scenes with known geometry."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.geometry.points import PINHOLE, two_views

from fol_vpr.config import VerificationConfig
from fol_vpr.geometry import verify_pair

SIZE = (640, 480)
CONFIG = VerificationConfig()


def project(points: np.ndarray, rotation_y: float, translation: np.ndarray) -> np.ndarray:
    """Pixel positions of [K, 3] points seen by a camera turned about Y and shifted."""
    c, s = np.cos(rotation_y), np.sin(rotation_y)
    rotation = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    seen = points @ rotation.T + translation
    return np.stack([500 * seen[:, 0] / seen[:, 2] + 320, 500 * seen[:, 1] / seen[:, 2] + 240], 1)


@pytest.fixture
def scene_views() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    points = rng.uniform([-4, -3, 8], [4, 3, 20], (600, 3))
    return (
        project(points, 0.0, np.zeros(3)),
        project(points, 0.05, np.array([0.8, 0.0, 0.3])),
    )


def test_two_views_of_a_scene_are_verified(scene_views):
    query, reference = scene_views
    result = verify_pair(query, reference, SIZE, SIZE, CONFIG)
    assert result.verified
    assert result.matches == 600
    assert result.inliers > 590


def test_outliers_are_rejected(scene_views):
    query, reference = scene_views
    reference = reference.copy()
    reference[:300] = np.random.default_rng(2).uniform([0, 0], SIZE, (300, 2))
    result = verify_pair(query, reference, SIZE, SIZE, CONFIG)
    assert result.verified
    assert 300 <= result.inliers < 340


def test_unrelated_positions_are_not_verified():
    rng = np.random.default_rng(3)
    query, reference = rng.uniform([0, 0], SIZE, (2, 400, 2))
    assert not verify_pair(query, reference, SIZE, SIZE, CONFIG).verified


def test_many_inliers_in_one_region_are_not_enough(scene_views):
    query, reference = (20 * view / 640 for view in scene_views)
    result = verify_pair(query, reference, SIZE, SIZE, CONFIG)
    assert result.inliers > CONFIG.min_inliers
    assert result.regions < CONFIG.min_regions
    assert not result.verified


def test_the_threshold_does_not_depend_on_the_resolution(scene_views):
    query, reference = scene_views
    noisy = reference + np.random.default_rng(4).normal(0, 1.5, reference.shape)
    small = verify_pair(query, noisy, SIZE, SIZE, CONFIG)
    large = verify_pair(4 * query, 4 * noisy, (2560, 1920), (2560, 1920), CONFIG)
    assert small == large


@pytest.mark.parametrize('count', [0, 7])
def test_too_few_matches_are_not_an_error(count):
    xy = np.zeros((count, 2), np.float32)
    result = verify_pair(xy, xy, SIZE, SIZE, CONFIG)
    assert (result.matches, result.inliers, result.verified) == (count, 0, False)


def test_points_on_a_line_do_not_verify():
    xy = np.stack([np.linspace(0, 639, 200), np.full(200, 100.0)], axis=1)
    other = np.random.default_rng(5).permutation(xy)
    strict = replace(CONFIG, min_inliers=8)
    assert not verify_pair(xy, other, SIZE, SIZE, strict).verified


@pytest.mark.parametrize('cameras', [{}, {'query_camera': PINHOLE, 'reference_camera': PINHOLE}])
def test_the_most_similar_matches_are_sampled_first(cameras):
    """With 80 % wrong matches, few random samples are free of outliers."""
    views = two_views(np.random.default_rng(0), noise=0.5, wrong=0.8, count=500)
    right = np.arange(500) >= 400
    cosines = right + np.random.default_rng(1).normal(0, 0.3, 500)
    given = (views.query, views.reference, SIZE, SIZE, CONFIG)
    known = verify_pair(*given, cosines=cosines, **cameras)
    misled = verify_pair(*given, cosines=-cosines, **cameras)
    assert known.inlier[right].sum() >= 97
    assert known.inliers > misled.inliers


def test_the_order_of_matches_does_not_matter_where_their_cosines_are_known():
    views = two_views(np.random.default_rng(0), noise=0.5, wrong=0.5)
    cosines = np.random.default_rng(1).random(len(views.query))
    order = np.random.default_rng(2).permutation(len(views.query))
    first = verify_pair(views.query, views.reference, SIZE, SIZE, CONFIG, cosines=cosines)
    other = verify_pair(
        views.query[order], views.reference[order], SIZE, SIZE, CONFIG, cosines=cosines[order]
    )
    assert first == other
    np.testing.assert_array_equal(first.inlier[order], other.inlier)


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('cameras', [{}, {'query_camera': PINHOLE, 'reference_camera': PINHOLE}])
@pytest.mark.parametrize('measure', [False, True])
@pytest.mark.parametrize('count', [0, 4, 5, 8, 9, 40])
def test_degenerate_positions_are_not_an_error(cameras, count, measure):
    rng = np.random.default_rng(0)
    anywhere = rng.uniform([0, 0], SIZE, (count, 2))
    one = np.tile(anywhere[:1], (count, 1))
    row = np.stack([anywhere[:, 0], np.full(count, 100.0)], axis=1)
    few = np.repeat(anywhere[:4], 10, axis=0)[:count]
    for query, reference in ((one, one), (anywhere, one), (row, row + 5), (few, few + 3)):
        for cosines in (rng.random(count), np.ones(count)):
            given = {**cameras, 'cosines': cosines, 'estimate_relative_pose': measure}
            found = verify_pair(query, reference, SIZE, SIZE, CONFIG, **given)
            assert not found.verified and found.relative is None
            assert found.inlier.shape == (count,)
