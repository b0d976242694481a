"""What came of each query, as it is drawn."""

from __future__ import annotations

from enum import Enum

from fol_vpr.datatypes import LocalizationState
from fol_vpr.evaluation.offline import QueryAnswer
from fol_vpr.evaluation.report import Evaluation

GREEN, ORANGE, GREY = '#1b9e77', '#d95f02', '#7f7f7f'


class Outcome(Enum):
    """Of a query: in words, with its colour, its marker, and whether the marker is filled.

    The first three are of queries that were judged each for itself. What was said of a stream
    counts besides: a statement is drawn boldly, the first of the hypotheses palely where the
    answer leaves open whether it is the place.
    """

    RIGHT = 'right', GREEN, 'o', True
    WRONG = 'wrong', ORANGE, 'x', True
    NO_POSITIVE = 'no positive', GREY, '.', True
    LOCALIZED_RIGHT = 'LOCALIZED, right', GREEN, 'o', True
    LOCALIZED_WRONG = 'LOCALIZED, wrong', ORANGE, 'X', True
    LOCALIZED = 'LOCALIZED, not judged', GREY, 'o', True
    NOT_IN_MAP_RIGHT = 'NOT_IN_MAP, right', GREEN, 's', True
    NOT_IN_MAP_WRONG = 'NOT_IN_MAP, wrong', ORANGE, 's', True
    NOT_IN_MAP = 'NOT_IN_MAP, not judged', GREY, 's', True
    OPEN_RIGHT = 'not sure, first is right', GREEN, 'o', False
    OPEN_WRONG = 'not sure, first is wrong', ORANGE, 'o', False
    OPEN = 'not sure, no positive', GREY, 'o', False

    def __init__(self, words: str, colour: str, marker: str, filled: bool) -> None:
        self.words = words
        self.colour = colour
        self.marker = marker
        self.filled = filled

    @property
    def misplaced(self) -> bool:
        """Whether the first hypothesis is somewhere else."""
        return self in (Outcome.WRONG, Outcome.LOCALIZED_WRONG, Outcome.OPEN_WRONG)


BY_ITSELF = Outcome.RIGHT, Outcome.WRONG, Outcome.NO_POSITIVE
LOCALIZED = Outcome.LOCALIZED_RIGHT, Outcome.LOCALIZED_WRONG, Outcome.LOCALIZED
LEFT_OPEN = Outcome.OPEN_RIGHT, Outcome.OPEN_WRONG, Outcome.OPEN


def outcomes(evaluation: Evaluation) -> dict[Outcome, list[QueryAnswer]]:
    """The answers that have hypotheses, by what came of them; only outcomes that there are."""
    stream = evaluation.decisions() is not None
    found: dict[Outcome, list[QueryAnswer]] = {}
    for answer in evaluation.answers:
        if answer.ranking:
            positive = evaluation.positives[answer.index]
            found.setdefault(outcome(answer, positive, stream=stream), []).append(answer)
    return {each: found[each] for each in Outcome if each in found}


def outcome(answer: QueryAnswer, positive: frozenset[int] | None, *, stream: bool) -> Outcome:
    """What came of a query.

    Args:
        answer: to it, with at least one hypothesis.
        positive: references that show its place; None where that is not known.
        stream: whether it was judged as one of a stream.
    """
    if stream and answer.state is LocalizationState.NOT_IN_MAP:
        if positive is None:
            return Outcome.NOT_IN_MAP
        return Outcome.NOT_IN_MAP_WRONG if positive else Outcome.NOT_IN_MAP_RIGHT
    certain = answer.state is LocalizationState.LOCALIZED
    right, wrong, unjudged = BY_ITSELF if not stream else LOCALIZED if certain else LEFT_OPEN
    if positive is None:
        return unjudged
    if answer.ranking[0] in positive:
        return right
    # Whoever is sure of a place where none is is wrong; one who is not has nothing to be right of.
    return wrong if positive or right is Outcome.LOCALIZED_RIGHT else unjudged
