"""Tracking positions in a picture that was shifted by a known amount."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from helpers.processes.compiled_code import WAYS, computed

from fol_vpr.geometry import (
    alignment_image,
    alignment_image_from_jpeg,
    move_with_nearest,
    track_points,
)
from fol_vpr.geometry.metric import alignment


@pytest.fixture(scope='module', params=WAYS, autouse=True)
def way(request) -> Iterator[str]:
    with computed(request.param):
        yield request.param


@pytest.fixture(scope='module')
def picture() -> np.ndarray:
    rng = np.random.default_rng(0)
    noise = rng.uniform(0, 255, (480, 640)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    grey = cv2.normalize(smooth, None, 20, 220, cv2.NORM_MINMAX).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def moved(picture: np.ndarray, x: float, y: float) -> np.ndarray:
    shift = np.array([[1.0, 0, x], [0, 1, y]])
    size = (picture.shape[1], picture.shape[0])
    return cv2.warpAffine(picture, shift, size, borderMode=cv2.BORDER_REFLECT)


def positions() -> np.ndarray:
    x, y = np.meshgrid(np.arange(60, 580, 40.0), np.arange(60, 420, 40.0))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def test_a_shift_of_a_few_pixels_is_found_to_a_fraction_of_a_pixel(picture):
    other = moved(picture, 3.3, -2.6)
    xy, found = track_points(
        alignment_image(picture), alignment_image(other), positions(), [positions()]
    )
    assert found.mean() > 0.95
    np.testing.assert_allclose((xy - positions())[found], [[3.3, -2.6]] * found.sum(), atol=0.15)


def test_a_shift_is_found_in_different_light(picture):
    darker = (0.3 * moved(picture, 2.0, 1.0) + 10).astype(np.uint8)
    xy, found = track_points(
        alignment_image(picture), alignment_image(darker), positions(), [positions()]
    )
    assert found.mean() > 0.9
    np.testing.assert_allclose((xy - positions())[found].mean(axis=0), [2.0, 1.0], atol=0.1)


def test_positions_in_unrelated_images_are_not_found(picture):
    other = np.ascontiguousarray(picture[::-1, ::-1])
    _, found = track_points(
        alignment_image(picture), alignment_image(other), positions(), [positions()]
    )
    assert found.mean() < 0.1


def test_a_reduced_jpeg_gives_positions_of_the_original(picture):
    large = cv2.resize(picture, (1280, 960), interpolation=cv2.INTER_CUBIC)
    reduced = cv2.resize(moved(picture, 2.0, 0.0), (640, 480))
    jpeg = cv2.imencode('.jpg', reduced)[1].tobytes()
    reference = alignment_image_from_jpeg(jpeg, (1280, 960))
    assert reference is not None
    xy, found = track_points(alignment_image(large), reference, 2 * positions(), [2 * positions()])
    assert found.mean() > 0.9
    np.testing.assert_allclose((xy - 2 * positions())[found].mean(axis=0), [4.0, 0.0], atol=0.2)


def test_a_damaged_jpeg_gives_none():
    assert alignment_image_from_jpeg(b'no picture', (640, 480)) is None


def test_no_positions_give_no_positions(picture):
    xy, found = track_points(
        alignment_image(picture), alignment_image(picture), np.zeros((0, 2)), [np.zeros((0, 2))]
    )
    assert xy.shape == (0, 2)
    assert found.shape == (0,)


def test_the_guess_with_the_smallest_difference_is_taken(picture):
    other = moved(picture, 60.0, 0.0)
    unknown = np.full_like(positions(), np.nan)
    guesses = [positions(), unknown, positions() + np.array([58.0, 1.0])]
    xy, found = track_points(
        alignment_image(picture), alignment_image(other), positions(), guesses
    )
    inside = positions()[:, 0] < 540
    assert found[inside].mean() > 0.9
    np.testing.assert_allclose(np.median((xy - positions())[found], axis=0), [60, 0], atol=0.1)


def test_corners_are_in_textured_regions(picture):
    half_blank = picture.copy()
    half_blank[:, 320:] = 128
    found = alignment_image(half_blank).corners
    assert len(found) > 50
    assert (found[:, 0] < 340).all()
    assert len(alignment_image(np.full((480, 640, 3), 128, np.uint8)).corners) == 0


def test_positions_move_with_their_nearest_neighbour():
    known = np.array([[0.0, 0.0], [100.0, 0.0]])
    moved = known + np.array([[5.0, 1.0], [-3.0, 2.0]])
    found = move_with_nearest(np.array([[10.0, 0.0], [90.0, 0.0]]), known, moved)
    np.testing.assert_allclose(found, [[15.0, 1.0], [87.0, 2.0]])


def test_a_map_image_is_prepared_once(picture):
    jpeg = cv2.imencode('.jpg', picture)[1].tobytes()
    first = alignment_image_from_jpeg(jpeg, (640, 480))
    assert alignment_image_from_jpeg(bytes(bytearray(jpeg)), (640, 480)) is first
    assert alignment_image_from_jpeg(jpeg, (1280, 960)).scale == 0.5


def test_of_many_guesses_the_one_that_looks_alike_is_tracked(picture):
    rng = np.random.default_rng(5)
    noisy = moved(picture, 7.0, -4.0) + rng.normal(0, 20, picture.shape)
    one, two = alignment_image(picture), alignment_image(np.clip(noisy, 0, 255).astype(np.uint8))
    right = positions() + np.array([10.0, -2.0])
    guesses = [positions() + rng.normal(0, 60, positions().shape) for _ in range(5)]
    _, alone = track_points(one, two, positions(), [right])
    xy, found = track_points(one, two, positions(), [*guesses[:3], right, *guesses[3:]])
    assert alone.mean() > 0.9 and (found & alone).sum() > 0.95 * alone.sum()
    np.testing.assert_allclose(np.median((xy - positions())[found], axis=0), [7, -4], atol=0.1)


@pytest.mark.parametrize(('width', 'levels'), [(100, 0), (160, 0), (320, 1), (480, 2), (640, 2)])
def test_small_images_have_fewer_pyramid_levels(width, levels):
    assert alignment._levels((width * 3 // 4, width)) == levels


def test_contrast_is_evened_as_by_a_wide_gaussian(picture):
    """The window is computed on reduced copies, which differ from it at the border most."""
    grey = picture[:, :, 0].astype(np.float32)
    exact = cv2.GaussianBlur(grey, (0, 0), alignment.CONTRAST_SIGMA)
    away = np.abs(alignment._wide_blur(grey) - exact)
    assert away[30:-30, 30:-30].max() < 1.0 and away.max() < 5.0


@pytest.mark.parametrize('noise', [0, 25])
@pytest.mark.parametrize('size', [(640, 480), (320, 240), (161, 120), (20, 15)])
def test_compiled_tracking_is_that_of_opencv(picture, size, noise):
    """In the middle of images, at and beyond their borders, and from guesses that are far off."""
    rng = np.random.default_rng(1)
    noisy = np.clip(moved(picture, 2.2, -1.6) + rng.normal(0, noise, picture.shape), 0, 255)
    one, two = (
        alignment_image(cv2.resize(each, size, interpolation=cv2.INTER_AREA))
        for each in (picture, noisy.astype(np.uint8))
    )
    start = rng.uniform([-20, -20], np.array(size) + 20, (1500, 2)).astype(np.float32)
    guess = (start + rng.normal(0, 4, start.shape)).astype(np.float32)
    found = []
    for name in WAYS:
        with computed(name):
            found.append(alignment._there_and_back(one, two, start, guess))
    (xy, known), (other_xy, other_known) = found
    assert (known != other_known).mean() <= 0.01
    assert min(size) < 20 or 0.1 < known.mean() < 0.9
    both = known & other_known
    apart = np.linalg.norm(xy - other_xy, axis=1)
    assert np.mean(apart[both] < 0.05) > 0.95 and np.median(apart[both]) < 5e-3


@pytest.mark.parametrize('sizes', [[(640, 480), (640, 480)], [(321, 243), (200, 150)]])
def test_compiled_code_takes_the_guesses_that_numpy_takes(picture, sizes):
    """But for those that differ by less than OpenCV's samples, taken at 1/32 of a pixel."""
    rng = np.random.default_rng(2)
    one, two = (
        alignment_image(cv2.resize(each, size, interpolation=cv2.INTER_AREA))
        for each, size in zip((picture, moved(picture, 5, 3)), sizes, strict=True)
    )
    start = rng.uniform([-5, -5], np.array(sizes[0]) + 5, (800, 2)).astype(np.float32)
    guesses = rng.uniform([-20, -20], np.array(sizes[1]) + 20, (800, 6, 2)).astype(np.float32)
    guesses[:300, 4] = start[:300] * sizes[1][0] / sizes[0][0]
    guesses[::7, 0] = np.nan
    guesses[5] = np.nan
    found = alignment._most_alike(one, two, start, guesses)
    with computed('compiled'):
        module = alignment._compiled_tracking()
        factors = one.coarse_factors, two.coarse_factors
        height, width = two.grey.shape
        best = module.most_alike(
            one.coarse, two.coarse, *factors, start, guesses, width, height, alignment.COARSE_REACH
        )
    assert found.shape == (800, 2) and best[5] == 0
    same = (np.nan_to_num(found) == np.nan_to_num(guesses[np.arange(800), best])).all(axis=1)
    assert same.mean() > 0.98 and same[5]


@pytest.mark.parametrize('guesses', [1, 3])
def test_positions_without_a_guess_are_not_tracked(picture, guesses):
    image, other = alignment_image(picture), alignment_image(moved(picture, 3.0, 1.0))
    each = [positions() for _ in range(guesses)]
    for guess in each:
        guess[::3] = np.nan
    found, tracked = track_points(image, other, positions(), each)
    whole, _ = track_points(image, other, positions(), [positions()])
    assert not tracked[::3].any() and tracked[1::3].mean() > 0.9
    assert (found[tracked] == whole[tracked]).all()


def test_nearest_positions_are_found_among_many():
    rng = np.random.default_rng(8)
    known, xy = rng.uniform(0, 640, (150, 2)), rng.uniform(0, 640, (400, 2))
    shift = rng.normal(size=(150, 2))
    nearest = np.linalg.norm(xy[:, None] - known, axis=2).argmin(axis=1)
    found = move_with_nearest(xy, known, known + shift)
    np.testing.assert_allclose(found - xy, shift[nearest], atol=1e-9)


def test_both_ways_stop_and_look_alike():
    """Numba's cache does not see a constant of another file, so each has its own."""
    pytest.importorskip('numba', reason='numba is not installed')
    from fol_vpr.geometry.metric import compiled_tracking

    _, steps, shortest = alignment.STOP
    assert (steps, shortest**2) == (compiled_tracking.STEPS, compiled_tracking.SHORT)
    assert alignment.WINDOW == (compiled_tracking.SIDE, compiled_tracking.SIDE)
