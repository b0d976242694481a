"""Relative poses of two views of known pose, and their covariances."""

import math

import numpy as np
import pytest
from helpers.geometry.points import PINHOLE, SIZE, TwoViews, error, normalised_square, two_views

from fol_vpr.config import VerificationConfig
from fol_vpr.geometry import PairGeometry, verify_pair
from fol_vpr.geometry.two_view.epipolar import CameraMotion, RayPairs, stack_motions
from fol_vpr.geometry.two_view.motion_fit import refine_motions
from fol_vpr.geometry.two_view.relative_pose import Noise, pose_from_fits
from fol_vpr.geometry.viewing_rays import pixels_to_rays

CONFIG = VerificationConfig()


def measured(views: TwoViews) -> PairGeometry:
    return verify_pair(
        views.query,
        views.reference,
        SIZE,
        SIZE,
        CONFIG,
        query_camera=PINHOLE,
        reference_camera=PINHOLE,
        estimate_relative_pose=True,
    )


def direction_error(views: TwoViews, geometry: PairGeometry) -> np.ndarray:
    assert geometry.relative is not None
    unit = views.translation / np.linalg.norm(views.translation)
    return error(geometry.relative, views.rotation, unit)


@pytest.mark.parametrize(
    ('translation', 'turn'),
    [
        ([1.0, 0.0, 0.2], [0.0, 0.05, 0.0]),
        ([0.1, 0.0, 2.0], [0.0, 0.02, 0.0]),
        ([0.1, -0.1, -2.0], [0.1, 0.2, -0.3]),
        ([-0.5, 0.8, 0.0], [0.0, -0.3, 0.1]),
    ],
)
def test_exact_matches_give_the_exact_pose(translation, turn):
    views = two_views(np.random.default_rng(0), translation, turn, wrong=0.2)
    geometry = measured(views)
    assert geometry.verified
    assert geometry.model == 'essential'
    assert not geometry.relative.metric
    np.testing.assert_allclose(direction_error(views, geometry), 0, atol=1e-6)


@pytest.mark.parametrize('translation', [[1.0, 0.0, 0.2], [0.1, 0.0, 2.0]])
def test_errors_agree_with_the_stated_covariance(translation):
    """Normalised squares of five degrees of freedom: their mean over 25 trials is within 3.1 and
    7.3 in 999 of 1000 cases where the covariance is right; ours may be too wide, not too narrow.
    """
    squares = []
    for seed in range(25):
        views = two_views(np.random.default_rng(seed), translation, noise=1.0, wrong=0.2)
        geometry = measured(views)
        squares.append(normalised_square(geometry.relative, direction_error(views, geometry)))
    assert 1.5 < np.mean(squares) < 7.3


def test_the_direction_has_no_variance_along_itself():
    geometry = measured(two_views(np.random.default_rng(1), noise=0.5))
    relative = geometry.relative
    assert np.linalg.norm(relative.translation) == pytest.approx(1)
    along = np.concatenate([relative.translation, np.zeros(3)])
    np.testing.assert_allclose(relative.covariance @ along, 0, atol=1e-12)
    assert np.linalg.matrix_rank(relative.covariance, tol=1e-12) == 5


@pytest.mark.parametrize('seed', range(8))
def test_a_pure_rotation_has_no_direction(seed):
    rng = np.random.default_rng(seed)
    geometry = measured(two_views(rng, [0.0, 0, 0], [0.05, 0.1, 0], noise=0.5, wrong=0.2))
    assert geometry.verified
    assert geometry.model == 'rotation'
    assert geometry.relative is None


@pytest.mark.parametrize('seed', range(8))
def test_a_plane_has_no_direction(seed):
    """Two motions explain the images of a plane equally well."""
    rng = np.random.default_rng(seed)
    geometry = measured(two_views(rng, noise=0.5, depth=(10.0, 10.0), wrong=0.2))
    assert geometry.verified
    assert geometry.model == 'homography'
    assert geometry.relative is None


def test_with_little_parallax_the_covariance_is_large_or_there_is_no_pose():
    squares = []
    for seed in range(12):
        views = two_views(np.random.default_rng(seed), [0.15, 0, 0], noise=1.0)
        geometry = measured(views)
        if geometry.relative is not None:
            squares.append(normalised_square(geometry.relative, direction_error(views, geometry)))
    assert squares
    # The 99.9 % quantile of chi² with five degrees of freedom.
    assert all(square < 20.5 for square in squares)


@pytest.mark.parametrize('seed', [1, 3])
def test_two_equally_good_motions_give_no_pose(seed):
    """Half of the points follow one motion and half another; distant ones fit both."""
    rng = np.random.default_rng(seed)
    ways = [np.array([math.cos(angle), math.sin(angle), 0.2]) for angle in (0.35, -0.35)]
    both = [two_views(rng, way, noise=0.5, depth=(10.0, 80.0), count=200) for way in ways]
    pairs = RayPairs(
        pixels_to_rays(PINHOLE, np.concatenate([views.query for views in both]), SIZE),
        pixels_to_rays(PINHOLE, np.concatenate([views.reference for views in both]), SIZE),
    )
    motions = stack_motions(
        [CameraMotion(both[0].rotation, way / np.linalg.norm(way)) for way in ways]
    )
    noise = Noise(sigma=0.6, observations=150, limit=CONFIG.inlier_threshold)
    fits = refine_motions(pairs, motions, noise.limit)
    best, rival = (fits[int(row)] for row in np.argsort(fits.cost(noise.limit)))
    assert pose_from_fits([best], pairs, noise) is not None
    assert pose_from_fits([best, rival], pairs, noise) is None


def test_no_relative_pose_is_estimated_unless_requested():
    views = two_views(np.random.default_rng(0))
    cameras = {'query_camera': PINHOLE, 'reference_camera': PINHOLE}
    geometry = verify_pair(views.query, views.reference, SIZE, SIZE, CONFIG, **cameras)
    assert geometry.verified
    assert geometry.model == 'essential'
    assert geometry.relative is None


def test_answers_are_reproducible():
    views = two_views(np.random.default_rng(2), noise=1.0, wrong=0.3)
    first, second = measured(views), measured(views)
    np.testing.assert_array_equal(first.inlier, second.inlier)
    np.testing.assert_array_equal(first.relative.covariance, second.relative.covariance)


def test_without_cameras_the_model_is_named():
    rng = np.random.default_rng(3)
    for depth, model in (((5.0, 25.0), 'fundamental'), ((10.0, 10.0), 'homography')):
        views = two_views(rng, noise=1.0, depth=depth)
        geometry = verify_pair(
            views.query, views.reference, SIZE, SIZE, CONFIG, estimate_relative_pose=True
        )
        assert geometry.verified
        assert geometry.model == model
        assert geometry.inlier.sum() == geometry.inliers
