"""What can be set, each with its unit and meaning; the node declares its parameters from here."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any


def described(default: Any, description: str) -> Any:
    """A field with the description that the node gives to its parameter."""
    return field(default=default, metadata={'description': description})


@dataclass(frozen=True)
class GraphSettings:
    """How the graph is built, and what it takes for a closure to be believed.

    Odometry is taken as a random walk: its variance grows with the way. A systematic error, such
    as a wrong wheel diameter, grows faster; one of 2 % is as large as 0.2 m/√m makes it after
    100 m, and smaller before.
    """

    keyframe_distance: float = described(0.5, 'Metres after which a node is added.')
    keyframe_turn: float = described(0.25, 'Radians after which a node is added.')
    position_noise: float = described(
        0.1, 'Standard deviation of the position that odometry has after 1 m, in m/√m.'
    )
    rotation_noise: float = described(
        0.01, 'Standard deviation of the rotation that odometry has after 1 m, in rad/√m.'
    )
    turning_noise: float = described(0.05, 'The same after turning by 1 rad, in rad/√rad.')
    odometry_gap: float = described(
        1.0, 'Longest time in seconds between two odometry messages to interpolate across.'
    )
    hold: float = described(
        15.0,
        'Seconds of odometry that a closure waits for, where one of its stamps is not known yet.',
    )
    patience: float = described(
        120.0,
        'Seconds of odometry that a closure waits for others to confirm it.',
    )
    gate: float = described(
        0.999, 'Probability with which a right closure passes each chi-square test.'
    )
    chance: float = described(
        0.01,
        'Largest probability that a wrong closure agrees with what it was tested against. Where '
        'the agreement could be chance, the closure waits for others.',
    )
    rotation_chance: float = described(
        0.1,
        'The same where only a rotation is compared; more is let in, because less is constrained.',
    )
    covariance_scale: float = described(1.0, 'Factor to the covariances that closures come with.')
    position_floor: float = described(
        0.02, 'Least standard deviation of a measured translation, in metres.'
    )
    rotation_floor: float = described(
        0.01, 'Least standard deviation of a measured rotation, in radians.'
    )
    kernel: float = described(
        2.0, 'Standard deviations from which Cauchy noise discounts the residual of a closure.'
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not value > 0:
                raise ValueError(f'{each.name} is {value}, expected a number over 0')
        for name in ('gate', 'chance', 'rotation_chance'):
            if getattr(self, name) >= 1:
                raise ValueError(f'{name} is {getattr(self, name)}, expected a number under 1')
