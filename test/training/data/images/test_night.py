"""Night, step by step in the units of a camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.scenes import view

from fol_vpr.errors import InputError
from training.data.config import AugmentationConfig
from training.data.images.augmentation import Augmentation
from training.data.images.camera_config import NightConfig
from training.data.images.night import (
    Camera,
    black_body,
    by_night,
    develop,
    expose,
    illumination,
    linear,
    sky,
)

CLEAN = Camera(
    white_balance=0, exposure=0.2, gain_stops=0, full_well=1e9, read_noise=1e-6, motion=0,
    bloom=0, flare=0, vignetting=0, contrast=1, jpeg=100,
)  # fmt: skip
"""A camera without a fault, and without gain."""


def rng(seed=0):
    return np.random.default_rng(seed)


def test_linear_light_is_the_inverse_of_the_srgb_curve():
    grey = np.array([0, 10, 128, 188, 255], np.uint8)[None, :, None]
    expected = [0, 0.0030353, 0.2158605, 0.5028865, 1]
    assert linear(grey).ravel() == pytest.approx(expected, abs=1e-6)


def test_a_camera_without_faults_gives_back_the_picture():
    grey = np.broadcast_to(np.arange(20, 250, 5, dtype=np.uint8)[None, :, None], (40, 46, 3))
    # Its median is what the exposure control aims at.
    camera = CLEAN._replace(exposure=float(np.median(linear(grey))))
    picture = develop(linear(grey), camera, rng())
    assert np.abs(picture.astype(int) - grey).max() <= 2


def test_noise_is_that_of_electrons_which_gain_does_not_take_away():
    """At 1/64 of white and 6 stops of gain: √(well/64 + read²) electrons of well/64."""
    dim = np.full((200, 200, 3), 0.2 / 64, np.float32)
    camera = CLEAN._replace(gain_stops=6, full_well=8000, read_noise=4)
    values = linear(expose(dim, camera, rng()))
    electrons = 8000 * 0.2 / 64
    assert values.mean() == pytest.approx(0.2, rel=0.03)
    expected = np.sqrt(electrons + 4**2) / electrons
    assert values.std() / values.mean() == pytest.approx(expected, rel=0.05)


def test_the_gain_has_an_end():
    dim = np.full((20, 20, 3), 0.2 / 64, np.float32)
    half_way = develop(dim, CLEAN._replace(gain_stops=3), rng())
    assert linear(half_way).mean() == pytest.approx(0.2 / 8, rel=0.05)


def test_sodium_is_orange_and_daylight_is_white():
    assert black_body(6500) == pytest.approx([1, 1, 1])
    red, green, blue = black_body(2000)
    assert red > 2 * green > 4 * blue
    assert black_body(2000).mean() == pytest.approx(1)


def test_light_is_never_less_than_that_of_the_sky_and_lamps_add_to_it():
    config = NightConfig(headlights=0.0)
    dark, lamps = illumination((60, 80), replace(config, lamps=(0, 0)), rng(3))
    assert not lamps and dark.shape == (60, 80, 3)
    assert config.ambient[0] * 0.8 < dark.min() and dark.max() < config.ambient[1] * 1.3
    lit, _ = illumination((60, 80), replace(config, lamps=(3, 3)), rng(3))
    assert (lit > dark).all()


def test_sky_is_bright_smooth_and_high_up():
    image = np.full((100, 120, 3), 90, np.uint8)
    image[:40] = 220
    image[70:] = 220
    found = sky(image)
    assert found[5:35].min() > 0.9 and found[45:].max() < 0.1


@pytest.mark.parametrize('name', ['motion', 'bloom', 'flare', 'vignetting', 'contrast'])
def test_each_fault_of_the_camera_does_something_by_itself(name):
    radiance = linear(view(3)) * 0.1
    radiance[20:30, 20:30] = 3
    plain = develop(radiance, CLEAN, rng()).astype(int)
    value = 2.0 if name == 'contrast' else 0.3
    assert np.abs(develop(radiance, CLEAN._replace(**{name: value}), rng()) - plain).mean() > 0.5


def test_the_same_seed_gives_the_same_night_and_the_image_is_left_alone():
    image = view(3)
    original = image.copy()
    one, again, other = (by_night(image, NightConfig(), rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert np.array_equal(image, original)
    assert one.shape == image.shape and one.dtype == np.uint8


def test_night_is_darker_and_not_black():
    levels = [by_night(view(seed), NightConfig(), rng(seed)).mean() for seed in range(12)]
    days = [view(seed).mean() for seed in range(12)]
    assert np.mean(levels) < 0.85 * np.mean(days)
    assert min(levels) > 4


def test_what_was_taken_at_night_is_left_as_it_is():
    always = Augmentation(AugmentationConfig(strength=0), 126, NightConfig(probability=1))
    never = Augmentation(AugmentationConfig(strength=0), 126)
    image = view(3)
    plain = never(image, rng())[0]
    assert np.array_equal(always(image, rng(), False, False)[0], plain)
    assert np.abs(always(image, rng())[0].astype(int) - plain).mean() > 5
    assert np.abs(never(image, rng(), False, True)[0].astype(int) - plain).mean() > 5


@pytest.mark.parametrize('value', [(1.0,), (2.0, 1.0), (-1.0, 1.0)])
def test_a_range_that_is_none_is_refused(value):
    with pytest.raises(InputError, match=r'read_noise is \[.*expected two numbers'):
        NightConfig(read_noise=value)
