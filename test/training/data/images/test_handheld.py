"""A camera in a hand: turned, nearer, read out row by row, and where each point was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.data.config import AugmentationConfig
from training.data.images import handheld
from training.data.images.augmentation import Augmentation
from training.data.images.camera_config import HandheldConfig

STILL = HandheldConfig(
    probability=1, roll=0, pitch=0, yaw=0, scale=1, rolling_shutter=0, near_object=0
)
WHOLE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])


def rng(seed=0):
    return np.random.default_rng(seed)


def test_a_still_camera_sees_all_of_the_photograph():
    assert handheld.corners(STILL, 1.5, rng()) == pytest.approx(WHOLE)


def test_roll_turns_about_the_middle_and_keeps_angles_of_the_scene():
    found = handheld.corners(replace(STILL, roll=30), 1.5, rng(1)) * [1.5, 1]
    assert found.mean(axis=0) == pytest.approx([0.75, 0.5])
    top, right = found[1] - found[0], found[2] - found[1]
    assert np.dot(top, right) == pytest.approx(0)
    assert np.linalg.norm(top) == pytest.approx(1.5)
    assert 1 < abs(np.degrees(np.arctan2(top[1], top[0]))) <= 30


def test_looking_up_sees_what_is_higher():
    found = [handheld.corners(replace(STILL, pitch=10), 1.5, rng(s))[:, 1] for s in range(20)]
    middles = np.array([each.mean() for each in found])
    assert middles.min() < 0.4 and middles.max() > 0.6
    # Parallels converge.
    widths = [np.ptp(handheld.corners(replace(STILL, pitch=10), 1.5, rng(1))[i, 0])
              for i in ([0, 1], [2, 3])]  # fmt: skip
    assert abs(widths[0] - widths[1]) > 0.01


def test_two_views_differ_in_scale_by_up_to_two():
    sides = [np.ptp(handheld.corners(replace(STILL, scale=2), 1, rng(s))[:, 0]) for s in range(80)]
    assert 0.5 <= min(sides) < 0.55 and 0.95 < max(sides) <= 1


def test_a_rolling_shutter_shears():
    found = handheld.corners(replace(STILL, rolling_shutter=0.2), 1, rng(1))
    shift, stretch = (found - WHOLE)[3] - (found - WHOLE)[0]
    assert 0.005 < abs(shift) <= 0.2 and 0.005 < abs(stretch) <= 0.2
    assert found[1] - found[0] == pytest.approx([1, 0])


@pytest.mark.parametrize('mirrored', [False, True])
def test_it_tells_where_each_point_was_in_the_photograph(mirrored):
    y, x = np.mgrid[0:200, 0:300]
    image = np.stack([x * 255 / 300, y * 255 / 200, 0 * x], axis=2).round().astype(np.uint8)
    config = HandheldConfig(probability=1, near_object=0)
    for seed in range(5):
        augmentation = Augmentation(AugmentationConfig(strength=0), 126, None, config)
        seen, frame = augmentation(image, rng(seed), mirrored)
        shares = (np.mgrid[0:126, 0:126][::-1].transpose(1, 2, 0) + 0.5) / 126
        there = np.concatenate([shares, np.ones((126, 126, 1))], axis=2) @ frame.T
        there = there[..., :2] / there[..., 2:]
        inside = ((there > 0.02) & (there < 0.98)).all(axis=2)
        assert inside.mean() > 0.4
        assert np.abs(seen[..., :2] / 255 - there)[inside].max() < 0.02


def test_what_is_near_covers_a_part_at_the_border():
    image = np.full((126, 126, 3), 128, np.uint8)
    for seed in range(30):
        seen = handheld.put_before(image, HandheldConfig(), rng(seed))
        changed = np.abs(seen.astype(int) - 128).max(axis=2) > 8
        assert changed.mean() < 0.5
        if changed.any():
            border = np.concatenate([changed[0], changed[-1], changed[:, 0], changed[:, -1]])
            assert border.any()
    assert (image == 128).all()
