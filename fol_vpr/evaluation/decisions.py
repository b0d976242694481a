"""What was said of a stream of queries, against what is true."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
        calibration_error: expected, of the probabilities of the first hypotheses; NaN where the
            map is uncalibrated.
        not_in_map_error: the same of the probabilities that the map has no such place.
    """

    localized_right: int
    localized_wrong: int
    not_in_map_right: int
    not_in_map_wrong: int
    ambiguous: int
    unknown: int
    calibration_error: float
    not_in_map_error: float

    @classmethod
    def of(cls, answers: Sequence[QueryAnswer], positives: Positives) -> Decisions:
        """Count the statements of some answers.

        Args:
            answers: to queries of a stream.
            positives: for each query, answered or not.
        """
        right = [bool(a.ranking) and a.ranking[0] in positives[a.index] for a in answers]
        outside = [not positives[a.index] for a in answers]

        def count(state: LocalizationState, truth: Sequence[bool] | None = None) -> int:
            rows = [True] * len(answers) if truth is None else truth
            pairs = zip(answers, rows, strict=True)
            return sum(answer.state is state and row for answer, row in pairs)

        localized, nowhere = LocalizationState.LOCALIZED, LocalizationState.NOT_IN_MAP
        return cls(
            localized_right=count(localized, right),
            localized_wrong=count(localized, [not each for each in right]),
            not_in_map_right=count(nowhere, outside),
            not_in_map_wrong=count(nowhere, [not each for each in outside]),
            ambiguous=count(LocalizationState.AMBIGUOUS),
            unknown=count(LocalizationState.UNKNOWN),
            calibration_error=_error([a.probability for a in answers], right),
            not_in_map_error=_error([a.p_not_in_map for a in answers], outside),
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
        if math.isnan(self.calibration_error):
            return [said, 'uncalibrated: decided by defaults; `fol_vpr calibrate` learns them']
        return [
            said,
            f'expected calibration error {self.calibration_error:.3f} (first hypothesis), '
            f'{self.not_in_map_error:.3f} (not in the map)',
        ]


def _error(probabilities: Sequence[float], right: Sequence[bool]) -> float:
    known = [(p, r) for p, r in zip(probabilities, right, strict=True) if not math.isnan(p)]
    return calibration_error(reliability([p for p, _ in known], [r for _, r in known]))
