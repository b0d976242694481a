"""What was said of a stream of queries, against what is true."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fol_vpr.datatypes import LocalizationState
from fol_vpr.evaluation.ground_truth import Positives
from fol_vpr.evaluation.offline import QueryAnswer
from fol_vpr.evaluation.reliability import calibration_error, reliability


@dataclass(frozen=True)
class Decisions:
    """How often each statement was made, and was right.

    Attributes:
        localized_right, localized_wrong: LOCALIZED at a positive of the query, and elsewhere.
        not_in_map_right, not_in_map_wrong: NOT_IN_MAP of a query without positives, and with.
        localized_unjudged, not_in_map_unjudged: the same of queries of which it is not known
            where they were taken.
        calibrated: whether the map gave probabilities.
        calibration_error: expected, of the probabilities of the first hypotheses; NaN where there
            are none that can be judged.
        not_in_map_error: the same of the probabilities that the map has no such place.
    """

    localized_right: int
    localized_wrong: int
    not_in_map_right: int
    not_in_map_wrong: int
    localized_unjudged: int
    not_in_map_unjudged: int
    ambiguous: int
    unknown: int
    calibrated: bool
    calibration_error: float
    not_in_map_error: float

    @classmethod
    def of(cls, answers: Sequence[QueryAnswer], positives: Positives) -> Decisions:
        """Count the statements of some answers.

        Args:
            answers: to queries of a stream.
            positives: for each query, answered or not.
        """
        judged = [(a, found) for a in answers if (found := positives[a.index]) is not None]
        right = [bool(a.ranking) and a.ranking[0] in found for a, found in judged]
        outside = [not found for _, found in judged]
        said = Counter(answer.state for answer in answers)
        localized = Counter(_of(judged, right, LocalizationState.LOCALIZED))
        nowhere = Counter(_of(judged, outside, LocalizationState.NOT_IN_MAP))
        return cls(
            localized_right=localized[True],
            localized_wrong=localized[False],
            not_in_map_right=nowhere[True],
            not_in_map_wrong=nowhere[False],
            localized_unjudged=said[LocalizationState.LOCALIZED] - localized.total(),
            not_in_map_unjudged=said[LocalizationState.NOT_IN_MAP] - nowhere.total(),
            ambiguous=said[LocalizationState.AMBIGUOUS],
            unknown=said[LocalizationState.UNKNOWN],
            calibrated=any(not math.isnan(a.p_not_in_map) for a in answers),
            calibration_error=_error([a.probability for a, _ in judged], right),
            not_in_map_error=_error([a.p_not_in_map for a, _ in judged], outside),
        )

    def as_json(self) -> dict[str, Any]:
        """As plain values; None for what is not known."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in values.items()
        }

    def lines(self) -> list[str]:
        """For people."""
        said = (
            f'LOCALIZED {self.localized_right} right, {self.localized_wrong} wrong; '
            f'NOT_IN_MAP {self.not_in_map_right} right, {self.not_in_map_wrong} wrong; '
            f'AMBIGUOUS {self.ambiguous}; UNKNOWN {self.unknown}'
        )
        lines = [said]
        if self.localized_unjudged or self.not_in_map_unjudged:
            lines.append(
                f'not judged, as it is not known where they were taken: LOCALIZED '
                f'{self.localized_unjudged}; NOT_IN_MAP {self.not_in_map_unjudged}'
            )
        if not self.calibrated:
            lines.append('uncalibrated: decided by defaults; `fol_vpr calibrate` learns them')
        elif not math.isnan(self.not_in_map_error):
            lines.append(
                f'expected calibration error {self.calibration_error:.3f} (first hypothesis), '
                f'{self.not_in_map_error:.3f} (not in the map)'
            )
        return lines


def _of(
    judged: Sequence[tuple[QueryAnswer, frozenset[int]]],
    true: Sequence[bool],
    state: LocalizationState,
) -> Iterator[bool]:
    """Whether it was true, for each answer that made a statement."""
    for (answer, _), each in zip(judged, true, strict=True):
        if answer.state is state:
            yield each


def _error(probabilities: Sequence[float], right: Sequence[bool]) -> float:
    known = [(p, r) for p, r in zip(probabilities, right, strict=True) if not math.isnan(p)]
    return calibration_error(reliability([p for p, _ in known], [r for _, r in known]))
