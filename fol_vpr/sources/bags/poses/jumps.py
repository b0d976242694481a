"""Positions between which no robot drives: spikes of a receiver, and jumps that stay."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fol_vpr.datatypes import EARTH_RADIUS

MIN_JUMP = 20.0
"""Metres; receivers among houses, and SLAM systems that close a loop, jump by less."""
MAX_SPEED = 60.0
"""Metres per second (216 km/h) that a robot or car does not drive."""
_TIMES_USUAL_SPEED = 4.0
"""For trains and aeroplanes: a jump is as much faster than the median speed."""
_FEW = 0.25
"""Largest fraction of the positions that is left out; more are no spikes."""
_LOOK_BACK = 100
"""How many pieces before one are compared with it."""


class Jumps(NamedTuple):
    """What is implausible about positions.

    Attributes:
        spikes: [N] bool, positions to be left out.
        breaks: [N] bool over the others, False where left out: whether the way from the position
            before is implausible all the same.
        largest: length in metres of the longest jump, 0 without one.
    """

    spikes: np.ndarray
    breaks: np.ndarray
    largest: float


def find_jumps(stamps: np.ndarray, xyz: np.ndarray) -> Jumps:
    """Find spikes, and jumps after which the positions go on elsewhere.

    The positions are cut into pieces wherever two neighbours are more than `MIN_JUMP` apart and
    faster than `MAX_SPEED`, or than four times the median speed. Kept is the sequence of pieces
    with the most positions whose ends can be driven; the rest are spikes, unless they are more
    than a quarter of all: then it is not known which are wrong, and all are kept.

    Args:
        stamps: [N] int64, nanoseconds, increasing.
        xyz: [N, 3] metres.
    """
    count = len(stamps)
    nothing = Jumps(np.zeros(count, bool), np.zeros(count, bool), 0.0)
    if count < 2:
        return nothing
    seconds = (stamps - stamps[0]) / 1e9
    steps = np.linalg.norm(np.diff(xyz, axis=0), axis=1)
    speeds = steps / np.maximum(np.diff(seconds), 1e-9)
    limit = max(MAX_SPEED, _TIMES_USUAL_SPEED * float(np.median(speeds)))
    cuts = (steps > MIN_JUMP) & (speeds > limit)
    if not cuts.any():
        return nothing
    starts = np.concatenate([[0], np.flatnonzero(cuts) + 1])
    ends = np.concatenate([starts[1:], [count]]) - 1
    kept = _longest(seconds, xyz, starts, ends, limit)
    spikes = np.ones(count, bool)
    for piece in kept:
        spikes[starts[piece] : ends[piece] + 1] = False
    breaks = np.zeros(count, bool)
    if spikes.mean() > _FEW:
        spikes[:] = False
        breaks[starts[1:]] = True
    return Jumps(spikes, breaks, float(steps[cuts].max()))


def sphere_metres(degrees: np.ndarray) -> np.ndarray:
    """[N, 3] metres on a sphere of latitudes and longitudes [N, 2] in degrees."""
    latitude, longitude = np.radians(degrees).T
    around = np.cos(latitude)
    axes = (around * np.cos(longitude), around * np.sin(longitude), np.sin(latitude))
    return EARTH_RADIUS * np.stack(axes, axis=1)


def _longest(
    seconds: np.ndarray, xyz: np.ndarray, starts: np.ndarray, ends: np.ndarray, limit: float
) -> list[int]:
    """The pieces of the sequence with the most positions in which each follows plausibly."""
    sizes = ends - starts + 1
    best = sizes.astype(np.int64)
    before = np.full(len(starts), -1)
    for piece in range(1, len(starts)):
        earlier = np.arange(max(0, piece - _LOOK_BACK), piece)
        way = np.linalg.norm(xyz[ends[earlier]] - xyz[starts[piece]], axis=1)
        time = np.maximum(seconds[starts[piece]] - seconds[ends[earlier]], 1e-9)
        possible = earlier[(way <= MIN_JUMP) | (way / time <= limit)]
        if len(possible):
            last = possible[np.argmax(best[possible])]
            best[piece] += best[last]
            before[piece] = last
    piece = int(np.argmax(best))
    kept = []
    while piece >= 0:
        kept.append(piece)
        piece = int(before[piece])
    return kept
