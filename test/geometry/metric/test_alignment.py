"""Tracking positions in a picture that was shifted by a known amount."""

import cv2
import numpy as np
import pytest

from fol_vpr.geometry import (
    alignment_image,
    alignment_image_from_jpeg,
    detect_corners,
    move_with_nearest,
    track_points,
)


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
    found = detect_corners(alignment_image(half_blank))
    assert len(found) > 50
    assert (found[:, 0] < 340).all()
    assert len(detect_corners(alignment_image(np.full((480, 640, 3), 128, np.uint8)))) == 0


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


def test_several_guesses_find_all_that_single_ones_find(picture):
    """A similar patch that fails the backward check must not hide a valid guess."""
    rng = np.random.default_rng(5)
    noisy = moved(picture, 7.0, -4.0) + rng.normal(0, 60, picture.shape)
    one, two = alignment_image(picture), alignment_image(np.clip(noisy, 0, 255).astype(np.uint8))
    guesses = [positions() + rng.normal(0, 25, (len(positions()), 2)) for _ in range(6)]
    alone = [track_points(one, two, positions(), [guess]) for guess in guesses]
    together, found = track_points(one, two, positions(), guesses)
    np.testing.assert_array_equal(found, np.any([seen for _, seen in alone], axis=0))
    taken = [seen & (xy == together).all(axis=1) for xy, seen in alone]
    np.testing.assert_array_equal(np.any(taken, axis=0), found)
