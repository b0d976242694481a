"""Geometric verification of synthetic scenes with known geometry."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from helpers.geometry.points import MATRIX, PINHOLE, two_views
from helpers.processes.compiled_code import WAYS, computed, in_both_ways

from fol_vpr.config import VerificationConfig
from fol_vpr.geometry import MatchedPair, verify_pair, verify_pairs
from fol_vpr.geometry.two_view import models
from fol_vpr.geometry.two_view.models import sampling_order

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


@pytest.mark.parametrize(('nearer', 'size'), [(0.0, SIZE), (2.0, SIZE), (2.0, (1920, 1440))])
def test_what_a_camera_came_nearer_to_is_larger_in_any_resolution(nearer, size):
    points = np.random.default_rng(4).uniform([-4, -3, 9.9], [4, 3, 10.1], (400, 3))
    query = project(points, 0.0, np.array([0.0, 0.0, -nearer])) * (size[0] / SIZE[0])
    reference = project(points, 0.0, np.zeros(3))
    reference[300:] = np.random.default_rng(5).uniform([0, 0], SIZE, (100, 2))
    found = verify_pair(query, reference, size, SIZE, CONFIG)
    # Some of the unrelated ones agree by chance.
    assert found.size_ratio == pytest.approx(10 / (10 - nearer), abs=0.05)


def test_without_eight_inliers_no_size_is_compared(scene_views):
    query, reference = scene_views
    assert np.isnan(verify_pair(query[:7], reference[:7], SIZE, SIZE, CONFIG).size_ratio)
    alike = np.tile(query[:1], (40, 1))
    assert np.isnan(verify_pair(alike, alike, SIZE, SIZE, CONFIG).size_ratio)


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


@pytest.mark.parametrize('way', WAYS)
def test_matches_displaced_like_those_around_them_are_sampled_first(way):
    """Cosines tell nothing here; the displacements do."""
    for seed in range(5):
        views = two_views(
            np.random.default_rng(seed), (0.5, 0.0, 1.0), noise=0.5, wrong=0.7, count=300
        )
        cosines = np.random.default_rng(seed + 9).uniform(0.7, 0.9, 300)
        with computed(way):
            order = sampling_order(views.query, views.reference, cosines)
        assert sorted(order) == list(range(300))
        assert (order[:40] >= 210).mean() > 0.7


def test_beyond_the_most_similar_matches_the_order_is_that_of_the_cosines():
    views = two_views(np.random.default_rng(0), wrong=0.7, count=1000)
    cosines = np.random.default_rng(1).uniform(0.7, 0.9, 1000)
    order = sampling_order(views.query, views.reference, cosines)
    by_cosine = np.argsort(-cosines)
    assert sorted(order[:400]) == sorted(by_cosine[:400])
    assert order[400:].tolist() == by_cosine[400:].tolist()


@pytest.mark.parametrize('count', [1, 7, 400])
def test_both_ways_promise_the_same(count):
    rng = np.random.default_rng(count)
    near = rng.normal(0, 0.6, (count, 4)).astype(np.float32)
    excess = rng.uniform(0.02, 0.3, count).astype(np.float32)
    one, other = in_both_ways(lambda: models._promises(near, excess))
    np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-6)
    assert count == 1 or one.max() > 0.01


@pytest.mark.parametrize('turn', [(0.0, 0.05, 0.0), (0.1, -0.3, 0.0), (0.0, 0.0, 0.6)])
def test_hardly_any_inlier_of_the_true_motion_is_missed(turn):
    """Also where the camera is turned about its axis, so that displacements differ widely."""
    found = expected = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        views = two_views(rng, (0.8, 0.1, 0.6), turn, noise=1.5, wrong=0.6, count=200)
        right = np.arange(200) >= 120
        cosines = 0.7 + 0.05 * right + rng.normal(0, 0.05, 200)
        given = (views.query, views.reference, SIZE, SIZE, CONFIG)
        pair = verify_pair(*given, query_camera=PINHOLE, reference_camera=PINHOLE, cosines=cosines)
        found += pair.inliers
        expected += (distances_from_truth(views) <= CONFIG.inlier_threshold).sum()
    assert found >= 0.99 * expected


def distances_from_truth(views) -> np.ndarray:
    """[K] Sampson distances of the matches from the true epipolar geometry, pixels."""
    inverse = np.linalg.inv(MATRIX)
    x, y, z = views.translation
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    fundamental = inverse.T @ cross @ views.rotation @ inverse
    q, r = (
        np.concatenate([xy, np.ones((len(xy), 1))], axis=1)
        for xy in (views.query, views.reference)
    )
    lines_q, lines_r = r @ fundamental.T, q @ fundamental
    gradient = (lines_q[:, :2] ** 2).sum(axis=1) + (lines_r[:, :2] ** 2).sum(axis=1)
    return np.abs((q * lines_q).sum(axis=1)) / np.sqrt(gradient)


def test_pairs_are_verified_together_as_each_by_itself():
    cameras = {'query_camera': PINHOLE, 'reference_camera': PINHOLE}
    pairs = []
    for seed, count in enumerate((300, 5, 120, 210)):
        rng = np.random.default_rng(seed)
        views = two_views(rng, noise=0.8, wrong=0.4, count=count)
        known = {} if seed == 2 else cameras
        pairs.append(
            MatchedPair(
                views.query, views.reference, SIZE, SIZE, cosines=rng.random(count), **known
            )
        )
    together = verify_pairs(pairs, CONFIG)
    for pair, found in zip(pairs, together, strict=True):
        alone = verify_pairs([pair], CONFIG)[0]
        assert found == alone
        np.testing.assert_array_equal(found.inlier, alone.inlier)
    assert [each.model for each in together] == ['essential', '', 'fundamental', 'essential']
    assert verify_pairs([], CONFIG) == []


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


def test_the_threads_that_models_are_searched_by_do_not_matter():
    """OpenCV's random numbers are those of a call, wherever it runs."""
    views = two_views(np.random.default_rng(4), (0.3, 0.1, 0.5), (0.02, 0.1, 0.0), noise=0.5)
    found = []
    before = cv2.getNumThreads()
    for threads in (1, 2, 2, 3):
        cv2.setNumThreads(threads)
        try:
            found.append(
                verify_pair(
                    views.query,
                    views.reference,
                    (640, 480),
                    (640, 480),
                    VerificationConfig(),
                    query_camera=PINHOLE,
                    reference_camera=PINHOLE,
                    estimate_relative_pose=True,
                )
            )
        finally:
            cv2.setNumThreads(before)
    for other in found[1:]:
        assert other == found[0] and (other.inlier == found[0].inlier).all()
        assert other.relative is not None
        assert (other.relative.translation == found[0].relative.translation).all()
        assert (other.relative.orientation == found[0].relative.orientation).all()
        assert (other.relative.covariance == found[0].relative.covariance).all()
