"""How good a calibration is, in one word and the figures behind it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fol_vpr.decision.calibration import Calibration

# Expected calibration errors up to which a calibration is good or fair. Measured with five drives
# of the town 0.018, with drives of real images 0.02 to 0.05, with half of one drive 0.08 to 0.13.
MAX_GOOD = 0.05
MAX_FAIR = 0.1


@dataclass(frozen=True)
class CalibrationQuality:
    """How well the probabilities of a calibration held on parts of the drives left out of the fit.

    Attributes:
        error: expected calibration error of the leading place, 0 to 1; NaN where it is not
            recorded.
        error_outside: that of the map not having the place; NaN where it is not recorded.
        by_chance: error that exact probabilities would have shown with as many answers.
        answers: number of answers that the error was measured with.
    """

    error: float
    error_outside: float
    by_chance: float
    answers: int

    @classmethod
    def of(cls, calibration: Calibration) -> CalibrationQuality:
        """The quality that a calibration has recorded."""
        facts = calibration.provenance
        bins = list(_bins(facts.get('reliability')))
        answers = sum(count for count, _ in bins)
        # Mean absolute deviation of a share of `count` answers: that of the normal distribution.
        chance = sum(
            count * math.sqrt(2 * said * (1 - said) / (math.pi * count)) for count, said in bins
        )
        return cls(
            _number(facts.get('calibration_error')),
            _number(facts.get('calibration_error_outside')),
            chance / answers if answers else math.nan,
            answers,
        )

    @property
    def word(self) -> str:
        """`good`, `fair`, `poor` or `unknown`, by the worse of both errors."""
        worse = max((e for e in (self.error, self.error_outside) if e == e), default=math.nan)
        if math.isnan(worse):
            return 'unknown'
        return 'good' if worse <= MAX_GOOD else 'fair' if worse <= MAX_FAIR else 'poor'

    @property
    def is_poor(self) -> bool:
        """Whether the probabilities cannot be relied on."""
        return self.word == 'poor'

    def __str__(self) -> str:
        """The word with its figures and the remedy, such as `poor: expected calibration ...`."""
        if self.word == 'unknown':
            return 'of unknown quality: no calibration error is recorded'
        figures = (
            [f'expected calibration error {self.error:.3f}'] if self.error == self.error else []
        )
        if self.error_outside == self.error_outside:
            figures.append(f'{self.error_outside:.3f} for NOT_IN_MAP')
        if self.by_chance == self.by_chance:
            figures.append(
                f'exact probabilities would show {self.by_chance:.3f} with {self.answers} answers'
            )
        remedy = {'good': '', 'fair': ', another drive would help', 'poor': ', add a drive'}
        first, *rest = figures
        more = f' ({"; ".join(rest)})' if rest else ''
        return f'{self.word}: {first}{remedy[self.word]}{more}'


def _bins(value: Any) -> Iterator[tuple[int, float]]:
    """Count and probability of each bin of a recorded reliability diagram; none if malformed."""
    for each in value if isinstance(value, list) else ():
        if isinstance(each, list) and len(each) == 3 and type(each[0]) is int and each[0] > 0:
            said = _number(each[1])
            if 0 <= said <= 1:
                yield each[0], said


def _number(value: Any) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= 1 else math.nan
