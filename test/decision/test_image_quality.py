"""Images that nothing can be recognised in are named as such."""

import cv2
import numpy as np
import pytest

from fol_vpr.decision import assess_image


@pytest.fixture
def scene() -> np.ndarray:
    """A cluttered picture: rectangles of many sizes and colours."""
    rng = np.random.default_rng(7)
    image = np.full((480, 640, 3), 120, np.uint8)
    for _ in range(300):
        x, y = (int(v) for v in rng.integers(0, [640, 480]))
        w, h = (int(v) for v in rng.integers(5, 90, 2))
        colour = [int(v) for v in rng.integers(30, 225, 3)]
        cv2.rectangle(image, (x, y), (x + w, y + h), colour, -1)
    return image


def test_a_good_image_has_no_flaw(scene):
    quality = assess_image(scene)
    assert quality.score == 1.0
    assert quality.reason == ''


@pytest.mark.parametrize(
    ('spoil', 'word'),
    [
        (lambda image: (image * 0.02).astype(np.uint8), 'dark'),
        (lambda image: np.clip(image.astype(int) * 4 + 200, 0, 255).astype(np.uint8), 'overexp'),
        (lambda image: np.full_like(image, 90), 'contrast'),
        (lambda image: cv2.GaussianBlur(image, (0, 0), 12), 'blurred'),
    ],
)
def test_flaws_lower_the_score_and_are_named(scene, spoil, word):
    quality = assess_image(spoil(scene))
    assert quality.score < 0.5
    assert word in quality.reason


def test_any_size_is_judged(scene):
    for size in ((1, 1), (7, 3), (4000, 30)):
        assert 0 <= assess_image(cv2.resize(scene, size)).score <= 1


def test_flaws_are_measured_as_by_their_definition(scene):
    """The numbers in the reason are those of the grey values, counted the plain way."""
    for rows in (180, 200, 211):
        image = cv2.resize(scene, (320, 240))
        image[:rows] = 250
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        assert f'overexposed: {(grey >= 250).mean():.0%} of' in assess_image(image).reason
        image[:rows] = 16
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        assert f'dark: {(grey <= 16).mean():.0%} of' in assess_image(image).reason
    faint = cv2.GaussianBlur((cv2.resize(scene, (320, 240)) * 0.2).astype(np.uint8), (0, 0), 3)
    grey = cv2.cvtColor(faint, cv2.COLOR_RGB2GRAY)
    reason = assess_image(faint).reason
    assert f'±{grey.std():.1f}' in reason
    assert f'edge strength {cv2.Laplacian(grey, cv2.CV_32F).std():.1f}' in reason
