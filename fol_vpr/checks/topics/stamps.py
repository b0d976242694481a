"""What is wrong with the time stamps of images; asked by the node and by `fol_vpr doctor`."""

from __future__ import annotations

from dataclasses import dataclass

OLD = 10.0
"""Seconds; an image older than that comes from a bag, or was stamped by another clock."""
NEAR = 30.0
"""Seconds within which a stamp counts as of the clock that begins when the machine starts."""


@dataclass(frozen=True)
class StampFacts:
    """The stamps of a stream.

    Attributes:
        ahead: seconds by which the last stamp was ahead of the clock; negative means behind.
        unstamped: whether the last stamp is zero.
        last_jump: seconds by which a stamp lately lay before that of its predecessor; 0 for none.
        repeated: whether an image lately had the stamp of its predecessor.
        since_boot: seconds by which the last stamp was ahead of the time since the machine
            started; None where that is not known.
    """

    ahead: float
    unstamped: bool = False
    last_jump: float = 0.0
    repeated: bool = False
    since_boot: float | None = None


@dataclass(frozen=True)
class StampProblem:
    """What is wrong with stamps: a stable name, what was seen, and what to do about it."""

    name: str
    seen: str
    remedy: str

    def __str__(self) -> str:
        return f'{self.seen}: {self.remedy}'


def stamp_problem(
    facts: StampFacts, tolerance: float, *, compare: bool = True
) -> StampProblem | None:
    """The gravest problem of stamps; None where they are as expected.

    Args:
        facts: of the stream.
        tolerance: seconds by which a stamp may be ahead of the clock (`stamp_tolerance`).
        compare: whether the stamps should be of the clock; not so while a bag is replayed.
    """
    if facts.unstamped:
        return StampProblem(
            'zero',
            'the images carry no stamp',
            'their driver has to set header.stamp, and a bag is played with `fol_vpr bag play '
            '--stamps reception`',
        )
    if facts.last_jump:
        return StampProblem(
            'backwards',
            f'stamps jumped back by {facts.last_jump:.3f} s',
            'a bag started again, the clock was set, or two publishers share the topic',
        )
    if facts.repeated:
        return StampProblem(
            'repeated',
            'images have the stamp of the one before them',
            'their driver stamps them wrongly, or two publishers of the same images share the '
            'topic; a bag of them is played with `fol_vpr bag play --stamps reception`',
        )
    if not compare:
        return None
    if facts.since_boot is not None and abs(facts.since_boot) < NEAR and facts.ahead < -OLD:
        return StampProblem(
            'since_boot',
            'the stamps are the time since this machine started',
            'the driver of the camera stamps with the clock CLOCK_MONOTONIC: have it take the '
            'time of ROS (often a parameter such as use_ros_time or timestamp_type)',
        )
    if facts.ahead > tolerance:
        return StampProblem(
            'future',
            f'stamps lie {facts.ahead:.3f} s in the future',
            'synchronise the clocks of camera and computer (chrony, PTP), or set use_sim_time '
            'where the images are simulated',
        )
    if facts.ahead < -OLD:
        return StampProblem(
            'old',
            f'images are {-facts.ahead:.0f} s old when they arrive',
            'they are played from a bag without --clock and use_sim_time, or the clock of the '
            'camera is wrong',
        )
    return None
