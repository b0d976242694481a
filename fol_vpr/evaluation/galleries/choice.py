"""Which answers of an evaluation are worth a look."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fol_vpr.datatypes import LocalizationState
from fol_vpr.errors import InputError
from fol_vpr.evaluation.metrics import first_hit
from fol_vpr.evaluation.offline import QueryAnswer
from fol_vpr.evaluation.outcomes import ORANGE, Outcome, outcome
from fol_vpr.evaluation.report import Evaluation

KINDS = ('wrong', 'localized', 'undecided', 'all')
"""What `answers_of_kind` tells apart."""
# Neighbouring images of a drive show the same; so large a part of the queries lies between two
# answers of a choice where there are enough.
_APART = 0.02


@dataclass(frozen=True)
class Choice:
    """Answers that have something in common.

    Attributes:
        title: in a few words.
        meaning: what was chosen, in a sentence.
        answers: the most remarkable ones first.
        among: how many answers there are of this kind.
    """

    title: str
    meaning: str
    answers: tuple[QueryAnswer, ...]
    among: int


def choose(evaluation: Evaluation, most: int = 6) -> list[Choice]:
    """The answers that tell most about what goes wrong and what goes right.

    Args:
        evaluation: answers and ground truth.
        most: answers of each choice.

    Returns:
        Choices that have an answer: the farthest mistakes, the most confident ones, those that
        re-ranking saved, and right answers that were not decided.
    """
    found = [
        _farthest(evaluation, most),
        _most_confident(evaluation, most),
        _saved(evaluation, most),
        _undecided(evaluation, most),
    ]
    return [choice for choice in found if choice.answers]


def answers_of_kind(evaluation: Evaluation, kind: str) -> list[QueryAnswer]:
    """The answers of one of `KINDS`, in the order of the queries.

    Raises:
        InputError: `wrong` where no ground truth is known.
    """
    if kind == 'wrong':
        if all(positive is None for positive in evaluation.positives):
            raise InputError(
                'without a ground truth nothing is known to be wrong; take the pictures of '
                'localized, undecided or all answers'
            )
        return [answer for answer in evaluation.answers if is_wrong(evaluation, answer)]
    if kind == 'all':
        return list(evaluation.answers)
    localized = kind == 'localized'
    return [
        answer
        for answer in evaluation.answers
        if (answer.state is LocalizationState.LOCALIZED) == localized
        and (localized or answer.state is not LocalizationState.NOT_IN_MAP)
    ]


def outcome_of(evaluation: Evaluation, answer: QueryAnswer) -> Outcome | None:
    """The outcome of an answer; None where it has no hypothesis."""
    if not answer.ranking:
        return None
    sequence = evaluation.decisions() is not None
    return outcome(answer, evaluation.positives[answer.index], sequence=sequence)


def is_wrong(evaluation: Evaluation, answer: QueryAnswer) -> bool:
    """Whether the first hypothesis, or the decision that the map has no such place, is wrong."""
    found = outcome_of(evaluation, answer)
    return found is not None and found.colour == ORANGE


def distance_to_reference(evaluation: Evaluation, answer: QueryAnswer, reference: int) -> float:
    """Metres between a query and a reference; NaN where a position is not known."""
    plotted = evaluation.plotted
    if plotted is None:
        return math.nan
    query, other = plotted.queries[answer.index], plotted.references[reference]
    return math.hypot(*(query - other))


def nearest_positive(evaluation: Evaluation, answer: QueryAnswer) -> int | None:
    """The reference that shows the query's place from nearest by; None where there is none.

    Without positions it is the middle one of them.
    """
    positive = sorted(evaluation.positives[answer.index] or ())
    if not positive:
        return None
    distances = [distance_to_reference(evaluation, answer, reference) for reference in positive]
    if any(math.isnan(distance) for distance in distances):
        return positive[len(positive) // 2]
    return positive[distances.index(min(distances))]


def _mistakes(evaluation: Evaluation) -> list[QueryAnswer]:
    return [a for a in evaluation.answers if a.ranking and is_wrong(evaluation, a)]


def _farthest(evaluation: Evaluation, most: int) -> Choice:
    mistakes = _mistakes(evaluation)
    known = any(not math.isnan(_error(evaluation, answer)) for answer in mistakes)
    ordered = sorted(mistakes, key=lambda answer: -_or_zero(_error(evaluation, answer)))
    return Choice(
        'Farthest mistakes' if known else 'Mistakes',
        'Queries whose first hypothesis shows another place'
        + (', the farthest from the query first.' if known else ', in the order of the queries.'),
        _spread(ordered, most, evaluation.queries),
        len(mistakes),
    )


def _most_confident(evaluation: Evaluation, most: int) -> Choice:
    mistakes = _mistakes(evaluation)
    calibrated = any(not math.isnan(answer.probability) for answer in mistakes)

    def key(answer: QueryAnswer) -> tuple[bool, float]:
        said = answer.probability if calibrated else _similarity(answer)
        decided = answer.state in (LocalizationState.LOCALIZED, LocalizationState.NOT_IN_MAP)
        return not decided, -_or_zero(said)

    measure = 'probability' if calibrated else 'similarity'
    return Choice(
        'Most confident mistakes',
        f'Wrong answers that were decided come first, then those of the largest {measure}.',
        _spread(sorted(mistakes, key=key), most, evaluation.queries),
        len(mistakes),
    )


def _saved(evaluation: Evaluation, most: int) -> Choice:
    saved: list[tuple[int, QueryAnswer]] = []
    for answer in evaluation.answers:
        positive = evaluation.positives[answer.index] or frozenset()
        if not answer.ranking or answer.global_ranking is None:
            continue
        before = first_hit(answer.global_ranking, positive)
        if answer.ranking[0] in positive and before != 0:
            saved.append((len(answer.global_ranking) if before is None else before, answer))
    ordered = [answer for _, answer in sorted(saved, key=lambda item: -item[0])]
    return Choice(
        'Saved by re-ranking',
        'By global similarity another place came first; local matches put the right one there. '
        'Those whose right reference ranked lowest before come first.',
        _spread(ordered, most, evaluation.queries),
        len(saved),
    )


def _undecided(evaluation: Evaluation, most: int) -> Choice:
    """Right but undecided answers of a sequence; one of each cause, frequent causes first."""
    if evaluation.decisions() is None:
        return Choice('', '', (), 0)
    found = [
        answer
        for answer in evaluation.answers
        if outcome_of(evaluation, answer) is Outcome.UNDECIDED_RIGHT
    ]
    causes = Counter(answer.explanation.cause for answer in found)
    order: list[QueryAnswer] = []
    remaining = list(found)
    while remaining and len(order) < most:
        for cause, _ in causes.most_common():
            of_cause = [answer for answer in remaining if answer.explanation.cause is cause]
            if of_cause and len(order) < most:
                # One from the middle of the drive: the first images of a drive are all undecided.
                taken = of_cause[len(of_cause) // 2]
                order.append(taken)
                remaining.remove(taken)
    return Choice(
        'Right, but not decided',
        'The first hypothesis is right, and the answer is UNKNOWN or AMBIGUOUS: queries of each '
        'cause, the frequent causes first.',
        tuple(order),
        len(found),
    )


def _error(evaluation: Evaluation, answer: QueryAnswer) -> float:
    return distance_to_reference(evaluation, answer, answer.ranking[0])


def _similarity(answer: QueryAnswer) -> float:
    """Similarity of the first hypothesis; NaN where it is not known."""
    return answer.similarity_to(answer.ranking[0])


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _spread(ordered: Sequence[QueryAnswer], most: int, queries: int) -> tuple[QueryAnswer, ...]:
    """The first answers that are not neighbours of earlier ones, filled up with the others."""
    gap = max(1, round(_APART * queries))
    taken: list[QueryAnswer] = []
    for answer in ordered:
        if len(taken) < most and all(abs(answer.index - each.index) >= gap for each in taken):
            taken.append(answer)
    others = [answer for answer in ordered if all(answer is not each for each in taken)]
    return (*taken, *others[: most - len(taken)])
