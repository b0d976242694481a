"""Where a robot goes on a drive: smooth ways over pavements and through a corridor, in a loop."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from training.town.noise import Rng
from training.town.world.town import Town

_GRID = 0.05


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Poses of the base, evenly spaced in time.

    Attributes:
        time: [N] seconds.
        position: [N, 3] metres, on the ground.
        yaw: [N] radians, continuous.
        speed: [N] m/s, forwards.
        turn: [N] rad/s.
    """

    time: np.ndarray
    position: np.ndarray
    yaw: np.ndarray
    speed: np.ndarray
    turn: np.ndarray

    def at(self, seconds: float) -> tuple[np.ndarray, float]:
        """Position [3] and yaw at a time."""
        position = np.array([np.interp(seconds, self.time, axis) for axis in self.position.T])
        return position, float(np.interp(seconds, self.time, self.yaw))


def route(
    town: Town,
    *,
    speed: float,
    duration: float,
    lateral: float,
    sway: float,
    heading: float,
    start: float,
    rng: Rng,
    rate: float = 50.0,
) -> Trajectory:
    """A drive around the town's loop, as often as the time allows.

    Args:
        speed: m/s.
        duration: seconds.
        lateral: metres to the left of the middle of the way.
        sway: standard deviation of the slow wandering about that, metres.
        heading: radians, how far the robot looks to the left of where it goes.
        start: metres along the loop at which it starts.
        rate: poses per second.
    """
    line = _smooth(town.loop)
    step = np.linalg.norm(np.roll(line, -1, 0) - line, axis=1)
    around = np.r_[0.0, np.cumsum(step)]
    closed = np.vstack([line, line[:1]])
    time = np.arange(round(duration * rate) + 1) / rate
    pace = speed * (1 + 0.12 * np.sin(time * 0.23 + rng.uniform(0, 6)))
    way = start + np.r_[0.0, np.cumsum(pace[:-1]) / rate]
    share = way % around[-1]
    middle = np.stack([np.interp(share, around, axis) for axis in closed.T], 1)
    tangent = np.gradient(middle, axis=0)
    jump = np.linalg.norm(tangent, axis=1) > 5 * speed / rate
    tangent[jump] = np.nan
    angle = np.arctan2(tangent[:, 1], tangent[:, 0])
    known = np.isfinite(angle)
    angle = np.interp(time, time[known], np.unwrap(angle[known]))
    aside = lateral + sway * _wander(time, rng)
    side = np.stack([-np.sin(angle), np.cos(angle)], 1)
    ground = middle + side * aside[:, None]
    look = heading + math.radians(2.0) * _wander(time * 2, rng)
    yaw = _lowpass(angle, round(0.8 * rate)) + look
    position = np.column_stack([ground, np.zeros(len(ground))])
    velocity = np.gradient(ground, 1 / rate, axis=0)
    forwards = velocity[:, 0] * np.cos(yaw) + velocity[:, 1] * np.sin(yaw)
    return Trajectory(time, position, yaw, forwards, np.gradient(yaw, 1 / rate))


def _smooth(corners: np.ndarray) -> np.ndarray:
    """[M, 2] a closed line through the corners, cut short at each of them, finely sampled."""
    line = corners
    for cut in (0.04, 0.2, 0.25, 0.25, 0.25):
        after = np.roll(line, -1, 0)
        line = np.stack([line * (1 - cut) + after * cut, line * cut + after * (1 - cut)], 1)
        line = line.reshape(-1, 2)
    step = np.linalg.norm(np.roll(line, -1, 0) - line, axis=1)
    around = np.r_[0.0, np.cumsum(step)]
    closed = np.vstack([line, line[:1]])
    fine = np.arange(0, around[-1], _GRID)
    return np.stack([np.interp(fine, around, axis) for axis in closed.T], 1)


def _wander(time: np.ndarray, rng: Rng) -> np.ndarray:
    """A slow random course with standard deviation 1."""
    course = np.zeros_like(time)
    for frequency in (0.05, 0.11, 0.19, 0.31):
        course += np.sin(2 * np.pi * (frequency * time + rng.random()))
    return course / math.sqrt(2)


def _lowpass(values: np.ndarray, width: int) -> np.ndarray:
    padded = np.pad(values, width, mode='edge')
    kernel = np.hanning(2 * width + 3)[1:-1]
    return np.convolve(padded, kernel / kernel.sum(), mode='valid')
