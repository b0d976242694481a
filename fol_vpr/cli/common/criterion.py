"""What counts as right, in words that every table, picture and file carries."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from fol_vpr.cli.common.arguments import settings
from fol_vpr.config import DEFAULT_SCALE, EvaluationConfig, scaled
from fol_vpr.errors import InputError

# A query of which more than this share of the map is right tells little: a wrong answer is hardly
# possible.
MAX_SHARE = 0.5


@dataclass(frozen=True)
class Criterion:
    """What counts as right.

    Attributes:
        words: such as `within 25 m and 180 degrees`.
        origin: where it comes from, such as `scale room`; empty where that needs no word.
        config: radius and angle, where positions decide; else None.
    """

    words: str
    origin: str = ''
    config: EvaluationConfig | None = None

    def as_json(self) -> dict[str, float] | None:
        """Radius and angle, where positions decide; else None."""
        return None if self.config is None else asdict(self.config)

    def __str__(self) -> str:
        return f'{self.words} ({self.origin})' if self.origin else self.words


def what_is_right(
    args: argparse.Namespace, map_path: str, *, ground_truth: str | None = None
) -> tuple[EvaluationConfig, Criterion]:
    """What counts as right by the options of a verb, and by what the map has recorded.

    The radius of a positive is, the first that there is of: that of the options, that of --scale,
    that which the map was calibrated with, that of the scale of the map, the default.

    Args:
        args: of the command line.
        map_path: the map.
        ground_truth: file that decides instead of positions; None where there is none.

    Returns:
        Radius and angle of a positive, and what decides in words.

    Raises:
        InputError: a value is outside the setting's range.
        MapError: the map is damaged, or its calibration cannot be used.
    """
    if ground_truth is not None:
        return EvaluationConfig(), Criterion(f'as {ground_truth} says')
    if args.index_tolerance is not None:
        words = f'numbers of images within {args.index_tolerance}'
        return EvaluationConfig(), Criterion(words)
    from fol_vpr.recognizer import describe_map

    described = describe_map(map_path)
    base, origin = EvaluationConfig(), f'scale {DEFAULT_SCALE}, as nobody named one'
    if described.scale:
        base, origin = scaled(base, described.scale), f'scale {described.scale} of the map'
    if (recorded := _recorded(described.calibration_facts)) is not None:
        base, origin = recorded, 'as the map was calibrated'
    if args.scale:
        base, origin = scaled(EvaluationConfig(), args.scale), f'--scale {args.scale}'
    config = settings(args, base)
    if args.positive_radius is not None:
        origin = 'given'
    words = f'within {config.positive_radius:g} m and {config.positive_angle:g} degrees'
    return config, Criterion(words, origin, config)


def _recorded(facts: Mapping[str, Any]) -> EvaluationConfig | None:
    """Radius and angle that a calibration was made with; None where it has no valid record."""
    criterion = facts.get('criterion')
    names = [spec.name for spec in fields(EvaluationConfig)]
    if not isinstance(criterion, dict) or sorted(criterion) != sorted(names):
        return None
    if not all(type(value) in (int, float) for value in criterion.values()):
        return None
    try:
        return EvaluationConfig(**{name: float(criterion[name]) for name in names})
    except InputError:
        return None


def too_easy(
    positives: Collection[Collection[int] | None], references: int, criterion: Criterion
) -> str:
    """A warning where much of the map is right for queries, so that errors cannot show.

    Args:
        positives: of each query; None where they are not known.
        references: number of references of the map.
        criterion: what counts as right.

    Returns:
        The warning with its remedy; empty where there is no reason.
    """
    shares = [len(found) / references for found in positives if found]
    easy = sum(share > MAX_SHARE for share in shares)
    if not easy:
        return ''
    remedy = (
        'the references that a query shows should be few: check the ground truth'
        if criterion.config is None
        else 'give a smaller --positive-radius, or --scale'
    )
    return (
        f'right is {criterion}: for {easy} of {len(shares)} queries this is more than half of '
        f'the {references} references, on the average {sum(shares) / len(shares):.0%} of the map, '
        f'so hardly any answer can be wrong; {remedy}'
    )
