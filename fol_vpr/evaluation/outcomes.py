"""The outcome of each query, as it is drawn in pictures."""

from __future__ import annotations

from enum import Enum

from fol_vpr.datatypes import LocalizationState
from fol_vpr.evaluation.offline import QueryAnswer
from fol_vpr.evaluation.report import Evaluation

GREEN, ORANGE, GREY, BLUE = '#1b9e77', '#d95f02', '#7f7f7f', '#4f7fd6'


class Outcome(Enum):
    """The outcome of a query: its words, colour and marker, and whether the marker is filled.

    The first four are outcomes of queries that were decided one by one. The others are those of a
    sequence: filled markers for LOCALIZED and NOT_IN_MAP, empty ones for answers that were
    AMBIGUOUS or UNKNOWN, by their first hypothesis.
    """

    RIGHT = 'right', GREEN, 'o', True
    WRONG = 'wrong', ORANGE, 'x', True
    NO_POSITIVE = 'no positive', GREY, '.', True
    UNJUDGED = 'answered, not judged', BLUE, '.', True
    LOCALIZED_RIGHT = 'LOCALIZED, right', GREEN, 'o', True
    LOCALIZED_WRONG = 'LOCALIZED, wrong', ORANGE, 'X', True
    LOCALIZED = 'LOCALIZED, position unknown', GREY, 'o', True
    NOT_IN_MAP_RIGHT = 'NOT_IN_MAP, right', GREEN, 's', True
    NOT_IN_MAP_WRONG = 'NOT_IN_MAP, wrong', ORANGE, 's', True
    NOT_IN_MAP = 'NOT_IN_MAP, position unknown', GREY, 's', True
    UNDECIDED_RIGHT = 'undecided, first is right', GREEN, 'o', False
    UNDECIDED_WRONG = 'undecided, first is wrong', ORANGE, 'o', False
    UNDECIDED = 'undecided, no positive', GREY, 'o', False
    UNDECIDED_UNJUDGED = 'undecided, not judged', BLUE, 'o', False

    def __init__(self, words: str, colour: str, marker: str, filled: bool) -> None:
        self.words = words
        self.colour = colour
        self.marker = marker
        self.filled = filled

    @property
    def is_misplaced(self) -> bool:
        """Whether the first hypothesis is at a wrong place."""
        return self in (Outcome.WRONG, Outcome.LOCALIZED_WRONG, Outcome.UNDECIDED_WRONG)


SINGLE = Outcome.RIGHT, Outcome.WRONG, Outcome.NO_POSITIVE
LOCALIZED = Outcome.LOCALIZED_RIGHT, Outcome.LOCALIZED_WRONG, Outcome.LOCALIZED
UNDECIDED = Outcome.UNDECIDED_RIGHT, Outcome.UNDECIDED_WRONG, Outcome.UNDECIDED


def answers_by_outcome(evaluation: Evaluation) -> dict[Outcome, list[QueryAnswer]]:
    """The answers that have hypotheses, by their outcome; without outcomes that do not occur."""
    sequence = evaluation.decisions() is not None
    found: dict[Outcome, list[QueryAnswer]] = {}
    for answer in evaluation.answers:
        if answer.ranking:
            positive = evaluation.positives[answer.index]
            found.setdefault(outcome(answer, positive, sequence=sequence), []).append(answer)
    return {each: found[each] for each in Outcome if each in found}


def outcome(answer: QueryAnswer, positive: frozenset[int] | None, *, sequence: bool) -> Outcome:
    """The outcome of a query.

    Args:
        answer: to the query, with at least one hypothesis.
        positive: references that show its place; None where that is not known.
        sequence: whether the decision was made over a sequence of queries.
    """
    if sequence and answer.state is LocalizationState.NOT_IN_MAP:
        if positive is None:
            return Outcome.NOT_IN_MAP
        return Outcome.NOT_IN_MAP_WRONG if positive else Outcome.NOT_IN_MAP_RIGHT
    certain = answer.state is LocalizationState.LOCALIZED
    right, wrong, unknown = SINGLE if not sequence else LOCALIZED if certain else UNDECIDED
    if positive is None:
        # Without a ground truth there are no positives to speak of.
        unjudged = {
            Outcome.NO_POSITIVE: Outcome.UNJUDGED,
            Outcome.UNDECIDED: Outcome.UNDECIDED_UNJUDGED,
        }
        return unjudged.get(unknown, unknown)
    if answer.ranking[0] in positive:
        return right
    # Without a positive, LOCALIZED is wrong, and an undecided answer neither right nor wrong.
    return wrong if positive or right is Outcome.LOCALIZED_RIGHT else unknown
