"""Black and white of images with 16 bits: one range for a stream, whatever the camera's depth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fol_vpr.errors import InputError
from fol_vpr.sources.images.levels import Levels

GREY = np.random.default_rng(0).integers(0, 256, (40, 50)).astype(np.uint16)
GREY[0, :2] = 0, 255


def surveyed(*images: np.ndarray, said: list[str] | None = None) -> Levels:
    return Levels(
        survey=lambda: images, warn=[].append if said is None else said.append, name='/x'
    )


@pytest.mark.parametrize('bits', [8, 10, 12, 14, 16])
def test_the_largest_value_of_the_depth_is_white(bits: int) -> None:
    said: list[str] = []
    scaled = np.rint(GREY * ((2**bits - 1) / 255)).astype(np.uint16)
    ours = surveyed(scaled, said=said).to_8bit(scaled, 'x')
    assert ours.dtype == np.uint8
    np.testing.assert_allclose(ours.astype(int), GREY, atol=1)
    assert [f'({bits} bits)' in each for each in said] == ([] if bits == 16 else [True])


def test_a_dark_image_stays_dark_beside_a_bright_one() -> None:
    bright, dark = GREY * 16, GREY
    levels = surveyed(dark, bright)
    np.testing.assert_allclose(levels.to_8bit(dark, 'x').astype(int), GREY / 16, atol=1)
    np.testing.assert_allclose(levels.to_8bit(bright, 'x').astype(int), GREY, atol=1)


def test_counts_of_a_thermal_camera_use_all_grey_levels() -> None:
    said: list[str] = []
    counts = [29_000 + 3 * GREY, 29_300 + 2 * GREY]
    levels = surveyed(*counts, said=said)
    first, second = (levels.to_8bit(each, 'x').astype(int) for each in counts)
    assert first.max() - first.min() > 200
    # One degree is as many grey levels in every image.
    slope = np.polyfit(GREY.ravel(), first.ravel(), 1)[0]
    assert np.polyfit(GREY.ravel(), second.ravel(), 1)[0] == pytest.approx(slope * 2 / 3, abs=0.02)
    assert len(said) == 1
    assert 'narrow band' in said[0]
    assert '--image-range' in said[0]


@pytest.mark.parametrize('top', [1, 3, 7])
def test_noise_of_an_even_surface_is_not_stretched_to_a_picture(top: int) -> None:
    noise = np.random.default_rng(1).integers(0, top + 1, (40, 50)).astype(np.uint16)
    image = surveyed(29_315 + noise).to_8bit(29_315 + noise, 'x')
    assert int(image.max()) - int(image.min()) <= top


def test_a_defect_pixel_or_a_counter_does_not_flatten_the_band() -> None:
    counts = 29_000 + 3 * GREY
    counts[0, :2] = 0, 65_535
    image = surveyed(counts).to_8bit(counts, 'x')
    assert np.percentile(image, 99) - np.percentile(image, 1) > 200


def test_a_covered_camera_stays_black() -> None:
    covered = np.random.default_rng(2).integers(0, 12, (40, 50)).astype(np.uint16)
    assert surveyed(covered).to_8bit(covered, 'x').max() < 12


def test_what_the_survey_did_not_see_is_cut_off_and_said_once() -> None:
    said: list[str] = []
    levels = surveyed(GREY * 4, said=said)
    assert levels.to_8bit(GREY * 4, 'x').max() == 254  # 1020 of 1023
    for _ in range(2):
        assert levels.to_8bit(np.full((4, 4), 4000, np.uint16), 'x').min() == 255
    assert len(said) == 2
    assert 'values over 1023 are cut off' in said[1]


def test_live_images_widen_the_range_and_never_narrow_it() -> None:
    said: list[str] = []
    levels = Levels(warn=said.append)
    np.testing.assert_allclose(levels.to_8bit(GREY * 4, 'x').astype(int), GREY, atol=1)
    np.testing.assert_allclose(levels.to_8bit(GREY * 16, 'x').astype(int), GREY, atol=1)
    np.testing.assert_allclose(levels.to_8bit(GREY * 4, 'x').astype(int), GREY / 4, atol=1)
    assert ['10 bits' in said[0], '12 bits' in said[1], len(said)] == [True, True, 2]


def test_a_live_band_widens_in_few_steps() -> None:
    said: list[str] = []
    levels = Levels(warn=said.append)
    for drift in range(0, 600, 2):
        image = levels.to_8bit((29_000 + drift + GREY).astype(np.uint16), 'x')
    assert image.max() == pytest.approx(245, abs=12)
    assert len(said) < 40


def test_a_range_that_is_given_is_taken() -> None:
    said: list[str] = []
    levels = Levels((100.0, 1120.0), warn=said.append)
    words = np.array([[0, 100, 104, 1120, 65535]], np.uint16)
    np.testing.assert_array_equal(levels.to_8bit(words, 'x'), [[0, 0, 1, 255, 255]])
    assert said == []


def test_eight_bits_are_not_touched() -> None:
    eight = GREY.astype(np.uint8)
    assert Levels((0.0, 10.0)).to_8bit(eight, 'x') is eight


@pytest.mark.parametrize('kind', [np.int32, '>u2'])
def test_other_classes_of_16_bits(kind: type | str) -> None:
    scaled = (GREY * 16).astype(kind)
    np.testing.assert_allclose(Levels().to_8bit(scaled, 'x').astype(int), GREY, atol=1)


@pytest.mark.parametrize(
    ('values', 'said'),
    [
        (np.array([[-1, 5]], np.int32), 'values from -1 to 5, expected 16 bit'),
        (np.array([[0, 65_536]], np.int32), 'expected 16 bit'),
        (np.array([[0.0, 2.5]], np.float32), 'floats from 0 to 2.5'),
        (np.array([[0.0, np.nan]], np.float32), 'floats from'),
    ],
)
def test_values_that_are_none_are_errors(values: np.ndarray, said: str) -> None:
    make: Callable[[], np.ndarray] = lambda: Levels().to_8bit(values, 'x')  # noqa: E731
    with pytest.raises(InputError, match=said):
        make()
