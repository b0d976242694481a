"""Decisions over a sequence of queries, compared with ground truth."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fol_vpr.datatypes import Cause, LocalizationState
from fol_vpr.errors import escape_controls
from fol_vpr.evaluation.ground_truth import Positives
from fol_vpr.evaluation.metrics import none_if_nan
from fol_vpr.evaluation.offline import QueryAnswer
from fol_vpr.evaluation.reliability import calibration_error, reliability_bins


@dataclass(frozen=True)
class Decisions:
    """Numbers of answers with each state, right and wrong.

    Attributes:
        localized_right, localized_wrong: LOCALIZED at a positive of the query, and elsewhere.
        not_in_map_right, not_in_map_wrong: NOT_IN_MAP for a query without positives, and for one
            with positives.
        localized_unjudged, not_in_map_unjudged: LOCALIZED and NOT_IN_MAP for queries whose
            position is not known.
        ambiguous, unknown: answers with these states.
        calibrated: whether the map gives probabilities.
        calibration_error: expected calibration error of the probabilities of the first
            hypotheses, 0 to 1; NaN where the answers have none.
        not_in_map_error: expected calibration error of the probabilities that the map has no such
            place, 0 to 1; NaN where the answers have none.
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
        """Count the decisions of answers.

        Args:
            answers: to the queries of a sequence.
            positives: of each query, answered or not.
        """
        judged = [(a, found) for a in answers if (found := positives[a.index]) is not None]
        right = [bool(a.ranking) and a.ranking[0] in found for a, found in judged]
        outside = [not found for _, found in judged]
        states = Counter(answer.state for answer in answers)
        localized = Counter(_true_with_state(judged, right, LocalizationState.LOCALIZED))
        nowhere = Counter(_true_with_state(judged, outside, LocalizationState.NOT_IN_MAP))
        return cls(
            localized_right=localized[True],
            localized_wrong=localized[False],
            not_in_map_right=nowhere[True],
            not_in_map_wrong=nowhere[False],
            localized_unjudged=states[LocalizationState.LOCALIZED] - localized.total(),
            not_in_map_unjudged=states[LocalizationState.NOT_IN_MAP] - nowhere.total(),
            ambiguous=states[LocalizationState.AMBIGUOUS],
            unknown=states[LocalizationState.UNKNOWN],
            calibrated=any(not math.isnan(a.p_not_in_map) for a in answers),
            calibration_error=_error([a.probability for a, _ in judged], right),
            not_in_map_error=_error([a.p_not_in_map for a, _ in judged], outside),
        )

    def as_json(self) -> dict[str, Any]:
        """The fields as values for JSON, with None for NaN."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            name: none_if_nan(value) if isinstance(value, float) else value
            for name, value in values.items()
        }

    def lines(self, *, judged: bool = True) -> list[str]:
        """The counts as text for users; without `judged` they tell nothing of right and wrong."""
        counts = (
            f'LOCALIZED {self.localized_right} right, {self.localized_wrong} wrong; '
            f'NOT_IN_MAP {self.not_in_map_right} right, {self.not_in_map_wrong} wrong; '
            f'AMBIGUOUS {self.ambiguous}; UNKNOWN {self.unknown}'
        )
        if not judged:
            counts = (
                f'LOCALIZED {self.localized_unjudged}; NOT_IN_MAP {self.not_in_map_unjudged}; '
                f'AMBIGUOUS {self.ambiguous}; UNKNOWN {self.unknown}'
            )
        lines = [counts]
        if judged and (self.localized_unjudged or self.not_in_map_unjudged):
            lines.append(
                'not counted as right or wrong, as the position of the query is not known: '
                f'LOCALIZED {self.localized_unjudged}; NOT_IN_MAP {self.not_in_map_unjudged}'
            )
        if not self.calibrated:
            lines.append(
                'uncalibrated: decided by default scores; `fol_vpr calibrate` calibrates the map'
            )
        elif not math.isnan(self.not_in_map_error):
            lines.append(
                f'expected calibration error {self.calibration_error:.3f} (first hypothesis), '
                f'{self.not_in_map_error:.3f} (not in the map)'
            )
        return lines


STATEMENTS = (LocalizationState.LOCALIZED, LocalizationState.NOT_IN_MAP)


def count_causes(answers: Sequence[QueryAnswer]) -> dict[str, dict[str, int]]:
    """Number of answers by the name of the state and by that of its cause, most frequent first."""
    counts = Counter((a.state, a.explanation.cause) for a in answers)
    return {
        state.name: {
            cause.name: number for (of, cause), number in counts.most_common() if of is state
        }
        for state in LocalizationState
    }


def cause_lines(answers: Sequence[QueryAnswer]) -> list[str]:
    """Why answers make no statement, as text for users: the causes by number, most frequent first.

    Each comes with the reason of one answer, the middle one of that cause, and with what would
    help. Empty where every answer makes a statement, or tells no cause.
    """
    lines = []
    for state in LocalizationState:
        if state in STATEMENTS:
            continue
        by_cause: dict[Cause, list[QueryAnswer]] = {}
        for answer in answers:
            if answer.state is state and answer.explanation.cause is not Cause.UNSPECIFIED:
                by_cause.setdefault(answer.explanation.cause, []).append(answer)
        total = sum(map(len, by_cause.values()))
        if total:
            lines.append(f'{state.name} {total}, because of')
        width = len(str(total))
        for cause, found in sorted(by_cause.items(), key=lambda item: -len(item[1])):
            example = found[len(found) // 2]
            said = example.explanation.reason.removeprefix(f'{cause.in_words}: ')
            reason = escape_controls(said, keep='')
            remedy = escape_controls(example.explanation.remedy, keep='')
            lines.append(
                f'  {len(found):>{width}}  {cause.in_words} (query {example.index}: {reason})'
            )
            lines.append(f'  {"":{width}}  what helps: {remedy}')
    return lines


def _true_with_state(
    judged: Sequence[tuple[QueryAnswer, frozenset[int]]],
    true: Sequence[bool],
    state: LocalizationState,
) -> Iterator[bool]:
    """For each answer with a state, whether that was true."""
    for (answer, _), each in zip(judged, true, strict=True):
        if answer.state is state:
            yield each


def _error(probabilities: Sequence[float], right: Sequence[bool]) -> float:
    known = [(p, r) for p, r in zip(probabilities, right, strict=True) if not math.isnan(p)]
    return calibration_error(reliability_bins([p for p, _ in known], [r for _, r in known]))
