"""Viewing rays of pixels, compared with OpenCV's projection."""

import cv2
import numpy as np
import pytest

from fol_vpr.datatypes import Camera
from fol_vpr.errors import InputError
from fol_vpr.geometry.viewing_rays import camera_fits, median, pixels_to_rays, project_to_pixels

SIZE = (640, 480)
MATRIX = np.array([[300.0, 0, 322.0], [0, 310.0, 236.0], [0, 0, 1]])
CENTRE = np.array([[0, 0, 322.0], [0, 0, 236.0], [0, 0, 0]])
LENSES = {
    '': [],
    'plumb_bob': [-0.28, 0.07, 0.001, -0.0005, 0.0],
    'rational_polynomial': [0.2, -0.1, 0.001, 0.0005, 0.02, 0.5, -0.05, 0.01],
    'equidistant': [-0.02, 0.01, -0.003, 0.0005],
}


def camera(model: str) -> Camera:
    return Camera(SIZE, MATRIX, model, np.array(LENSES[model]))


def directions(widest: float) -> np.ndarray:
    x, y = np.meshgrid(np.linspace(-widest, widest, 9), np.linspace(-0.75, 0.75, 7))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def projected(model: str, xy: np.ndarray) -> np.ndarray:
    points = np.concatenate([xy, np.ones((len(xy), 1))], axis=1)[:, None]
    project = cv2.fisheye.projectPoints if model == 'equidistant' else cv2.projectPoints
    still = np.zeros(3)
    found, _ = project(points, still, still, MATRIX, np.array(LENSES[model]))
    return found.reshape(-1, 2)


@pytest.mark.parametrize('model', LENSES)
def test_a_direction_comes_back_from_its_pixel(model):
    expected = directions(2.0 if model == 'equidistant' else 1.0)
    found = pixels_to_rays(camera(model), projected(model, expected), SIZE)
    assert found.valid.all()
    np.testing.assert_allclose(found.xy, expected, atol=1e-6)


@pytest.mark.parametrize('model', LENSES)
def test_the_derivative_is_that_of_the_projection(model):
    xy = directions(0.9)
    found = pixels_to_rays(camera(model), projected(model, xy), SIZE)
    step = np.array([1e-4, -2e-4])
    moved = projected(model, xy + step / 2) - projected(model, xy - step / 2)
    np.testing.assert_allclose(found.to_pixels @ step, moved, atol=1e-5)


def test_a_fisheye_without_coefficients_is_an_f_theta_lens():
    """A pixel at the radius f theta is seen at the angle theta, and not at atan(r / f)."""
    angles = np.radians([0.0, 10, 30, 45, 60, 75])
    ideal = Camera(SIZE, np.diag([300.0, 300, 1]) + CENTRE, 'equidistant', np.zeros(4))
    pixels = np.stack([322 + 300 * angles, np.full(6, 236.0)], axis=1)
    found = pixels_to_rays(ideal, pixels, SIZE)
    np.testing.assert_allclose(np.arctan(found.xy[:, 0]), angles, atol=1e-7)
    ahead = np.stack([np.tan(angles), np.zeros(6), np.ones(6)], axis=1)
    np.testing.assert_allclose(project_to_pixels(ideal, ahead, SIZE), pixels, atol=1e-6)


@pytest.mark.parametrize('model', LENSES)
def test_the_skew_of_the_matrix_is_used(model):
    """A pixel is K times the distorted direction; cv2 and cv2.fisheye leave K[0, 1] out."""
    skewed = MATRIX.copy()
    skewed[0, 1] = 4.26
    lens = Camera(SIZE, skewed, model, np.array(LENSES[model]))
    straight = (projected(model, directions(0.9)) - MATRIX[:2, 2]) / MATRIX[[0, 1], [0, 1]]
    pixels = straight @ skewed[:2, :2].T + skewed[:2, 2]
    found = pixels_to_rays(lens, pixels, SIZE)
    np.testing.assert_allclose(found.xy, directions(0.9), atol=1e-6)
    points = np.concatenate([directions(0.9), np.ones((63, 1))], axis=1)
    np.testing.assert_allclose(project_to_pixels(lens, points, SIZE), pixels, atol=1e-6)
    step = np.array([1e-4, -2e-4])
    ends = [
        project_to_pixels(lens, points + sign * np.append(step / 2, 0), SIZE) for sign in (1, -1)
    ]
    np.testing.assert_allclose(found.to_pixels @ step, ends[0] - ends[1], atol=1e-5)


def test_the_skew_of_a_fisheye_is_alpha_in_opencv():
    alpha, lens = 0.01, np.array(LENSES['equidistant'])
    points = np.concatenate([directions(0.9), np.ones((63, 1))], axis=1)
    still = np.zeros(3)
    by_opencv, _ = cv2.fisheye.projectPoints(
        points[:, None], still, still, MATRIX, lens, alpha=alpha
    )
    skewed = MATRIX.copy()
    skewed[0, 1] = alpha * MATRIX[0, 0]
    ours = project_to_pixels(Camera(SIZE, skewed, 'equidistant', lens), points, SIZE)
    np.testing.assert_allclose(ours, by_opencv.reshape(-1, 2), atol=1e-9)


def test_thin_prism_coefficients_are_those_of_the_published_formula():
    """Twelve coefficients of OpenCV: Brown, a denominator, and s1 to s4 of a thin prism."""
    lens = np.array([0.1, -0.05, 0.001, 5e-4, 0.01, 0.2, -0.02, 0.005, 0.002, -1e-3, 0.003, 4e-4])
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = lens
    x, y = directions(0.8).T
    r = x * x + y * y
    radial = (1 + k1 * r + k2 * r**2 + k3 * r**3) / (1 + k4 * r + k5 * r**2 + k6 * r**3)
    u = x * radial + 2 * p1 * x * y + p2 * (r + 2 * x * x) + s1 * r + s2 * r**2
    v = y * radial + p1 * (r + 2 * y * y) + 2 * p2 * x * y + s3 * r + s4 * r**2
    pixels = np.stack([300 * u + 322, 310 * v + 236], axis=1)
    found = pixels_to_rays(Camera(SIZE, MATRIX, 'rational_polynomial', lens), pixels, SIZE)
    np.testing.assert_allclose(found.xy, directions(0.8), atol=1e-7)
    tilted = Camera(SIZE, MATRIX, 'rational_polynomial', np.append(lens, [0.02, -0.01]))
    points = np.concatenate([directions(0.8), np.ones((63, 1))], axis=1)
    seen, _ = cv2.projectPoints(
        points[:, None], np.zeros(3), np.zeros(3), MATRIX, tilted.distortion
    )
    found = pixels_to_rays(tilted, seen.reshape(-1, 2), SIZE)
    np.testing.assert_allclose(found.xy, directions(0.8), atol=1e-7)


def test_an_image_of_half_the_size_sees_the_same_directions():
    full = projected('plumb_bob', directions(0.8))
    halved = (full + 0.5) / 2 - 0.5
    found = pixels_to_rays(camera('plumb_bob'), halved, (320, 240))
    np.testing.assert_allclose(found.xy, directions(0.8), atol=1e-6)
    # Errors are in pixels of a 640 px wide image, whatever the size.
    same = pixels_to_rays(camera('plumb_bob'), full, SIZE).to_pixels
    np.testing.assert_allclose(found.to_pixels, same, rtol=1e-5)


def test_an_image_that_was_scaled_unevenly_has_the_derivative_of_its_own_pixels():
    """By 0.3 %, as by rounding to whole pixels; errors are in pixels of a 640 px wide image."""
    lens, size = camera('plumb_bob'), (320, 241)
    xy, step = directions(0.9), np.array([1e-4, -2e-4])
    scale = np.divide(size, SIZE)
    ends = [(projected('plumb_bob', xy + sign * step / 2) + 0.5) * scale - 0.5 for sign in (1, -1)]
    found = pixels_to_rays(lens, (projected('plumb_bob', xy) + 0.5) * scale - 0.5, size)
    np.testing.assert_allclose(found.to_pixels @ step, 2 * (ends[0] - ends[1]), atol=2e-6)


@pytest.mark.parametrize('size', [(640, 360), (480, 640), (640, 500)])
def test_an_image_of_another_shape_is_refused(size):
    assert not camera_fits(camera(''), size)
    with pytest.raises(InputError, match='another shape'):
        pixels_to_rays(camera(''), np.zeros((1, 2)), size)


def test_pixels_without_a_direction_are_invalid():
    strong = Camera(SIZE, MATRIX, 'plumb_bob', np.array([-0.6, 0.0, 0.0, 0.0]))
    found = pixels_to_rays(strong, np.array([[322.0, 236.0], [10_000.0, 236.0]]), SIZE)
    assert found.valid.tolist() == [True, False]


def test_no_pixels_give_no_rays():
    assert len(pixels_to_rays(camera('equidistant'), np.zeros((0, 2)), SIZE)) == 0


@pytest.mark.parametrize('count', [0, 1, 2, 7, 100])
@pytest.mark.filterwarnings('ignore:Mean of empty slice', 'ignore:invalid value')
def test_the_median_is_that_of_numpy(count):
    values = np.random.default_rng(count).normal(size=count)
    assert np.array_equal(median(values), np.median(values), equal_nan=True)
    assert np.isnan(median(np.append(values, np.nan)))
