"""The scale of the surroundings: one word that sets all lengths which depend on it together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

Config = TypeVar('Config')


@dataclass(frozen=True)
class Scale:
    """The lengths of a kind of surroundings.

    Attributes:
        name: the word for it.
        words: what it is meant for.
        extent: maps that measure less than this in metres from corner to corner are probably of
            this scale.
        values: by name of a setting, `GROUP.KEY`; settings that are not named keep their default.
        loop_distance: within so many metres two images of a drive show the same place.
    """

    name: str
    words: str
    extent: float
    loop_distance: float
    values: Mapping[str, Any] = field(default_factory=dict)


SCALES = {
    each.name: each
    for each in (
        Scale(
            'room',
            'a desk, a room or a cell, a camera in the hand or on an arm',
            extent=15.0,
            loop_distance=0.3,
            values={
                'mapping.keyframe_distance': 0.1,
                'mapping.keyframe_angle': 10.0,
                'verification.place_radius': 0.3,
                'verification.speed': 0.5,
                'evaluation.positive_radius': 0.5,
                'pruning.radius': 0.2,
                'loops.keyframe_distance': 0.1,
                'loops.keyframe_angle': 10.0,
                'loops.keyframe_interval': 0.2,
                'loops.exclude_distance': 2.0,
                'loops.exclude_time': 5.0,
                'loops.agreement': 0.3,
                'loops.odometry_stddev': 0.05,
                'loops.closure_stddev': 0.02,
                'loops.min_information_gain_bits': 0.0,
                'loops.verify': 4,
            },
        ),
        Scale(
            'building',
            'corridors, halls and yards',
            extent=100.0,
            loop_distance=1.0,
            values={
                'mapping.keyframe_distance': 0.5,
                'verification.place_radius': 3.0,
                'verification.speed': 2.0,
                'evaluation.positive_radius': 5.0,
                'pruning.radius': 1.5,
                'loops.keyframe_distance': 0.5,
                'loops.exclude_distance': 5.0,
                'loops.agreement': 1.5,
                'loops.closure_stddev': 0.1,
            },
        ),
        Scale(
            'street',
            'streets, a campus or a park',
            extent=float('inf'),
            loop_distance=2.0,
        ),
    )
}
"""All scales, the smallest first. `street` has the defaults of all settings."""

DEFAULT_SCALE = 'street'
"""The scale whose values are used where nobody named one."""


def scaled(config: Config, scale: str) -> Config:
    """Settings with the values of a scale instead of the defaults.

    Args:
        config: one of the dataclasses of `fol_vpr.config`, such as `MappingConfig()`.
        scale: a key of `SCALES`; empty leaves the settings as they are.
    """
    if not scale:
        return config
    group = type(config).__name__.removesuffix('Config').lower()
    names = {spec.name for spec in fields(config)}  # type: ignore[arg-type]
    values = {
        key: value
        for name, value in SCALES[scale].values.items()
        for part, _, key in [name.partition('.')]
        if part == group and key in names
    }
    return replace(config, **values)  # type: ignore[type-var]


def probable_scale(extent: float) -> str:
    """The scale of a map by its extent.

    Args:
        extent: distance between opposite corners of the box around all positions, in metres.
    """
    return next(scale.name for scale in SCALES.values() if extent < scale.extent)
