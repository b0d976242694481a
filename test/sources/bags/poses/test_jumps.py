"""Spikes among positions, and positions without any."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fol_vpr.sources.bags.poses.jumps import find_jumps, sphere_metres

SECOND = 1_000_000_000


def drive(seed: int, count: int = 200, rate: float = 5.0, speed: float = 8.0) -> np.ndarray:
    """[N, 3] metres: a way with turns, and the noise of a receiver."""
    rng = np.random.default_rng(seed)
    heading = np.cumsum(rng.normal(0, 0.05, count))
    steps = speed / rate * np.stack([np.cos(heading), np.sin(heading), 0 * heading], axis=1)
    return np.cumsum(steps, axis=0) + rng.normal(0, 1.5, (count, 3))


def times(count: int, rate: float = 5.0) -> np.ndarray:
    return (np.arange(count) * SECOND / rate).astype(np.int64)


@pytest.mark.parametrize('rate', [1.0, 5.0, 100.0])
@pytest.mark.parametrize('speed', [0.0, 1.0, 30.0, 90.0, 250.0])
def test_a_drive_has_none(rate, speed):
    found = find_jumps(times(200, rate), drive(0, rate=rate, speed=speed))
    assert not found.spikes.any()
    assert not found.breaks.any()


@given(st.integers(0, 1000), st.floats(200, 1e6), st.integers(1, 10), st.integers(0, 190))
def test_spikes_are_found_wherever_they_are(seed, size, length, at):
    xyz = drive(seed)
    direction = np.random.default_rng(seed).normal(size=3)
    xyz[at : at + length] += size * direction / np.linalg.norm(direction)
    found = find_jumps(times(200), xyz)
    expected = np.zeros(200, bool)
    expected[at : at + length] = True
    np.testing.assert_array_equal(found.spikes, expected)
    assert found.largest == pytest.approx(size, rel=0.2)


def test_single_positions_and_none():
    for count in (0, 1):
        assert find_jumps(times(count), np.zeros((count, 3))).spikes.tolist() == [False] * count


def test_a_jump_after_a_gap_in_which_it_can_be_driven_is_none():
    xyz = drive(1)
    stamps = times(200)
    xyz[100:] += [1000, 0, 0]
    stamps[100:] += 60 * SECOND
    assert not find_jumps(stamps, xyz).spikes.any()


def test_metres_on_a_sphere_across_the_date_line():
    a, b = sphere_metres(np.array([[10.0, 179.9999], [10.0, -179.9999]]))
    assert np.linalg.norm(a - b) == pytest.approx(21.9, abs=0.1)
