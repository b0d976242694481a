"""Which answers are worth a look: counted by hand for a drive of a dozen queries."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fol_vpr.datatypes import Cause, Explanation
from fol_vpr.datatypes import LocalizationState as State
from fol_vpr.errors import InputError
from fol_vpr.evaluation.galleries import answers_of_kind, choose, distance_to_reference
from fol_vpr.evaluation.galleries.choice import nearest_positive
from fol_vpr.evaluation.ground_truth import PlottedPositions
from fol_vpr.evaluation.offline import Answers, QueryAnswer
from fol_vpr.evaluation.report import Conditions, Evaluation

COUNT = 12


def conditions(**changes) -> Conditions:
    values = {
        'map': 'm', 'map_id': '', 'source': 's', 'ground_truth': 'g', 'weights': 'w',
        'trained': True, 'model_id': '', 'preprocessing_id': '', 'references': COUNT,
        'sequence': True, **changes,
    }  # fmt: skip
    return Conditions(**values)


def answered(index: int, first: int, before: int | None = None, state=State.LOCALIZED, **changes):
    before = first if before is None else before
    ranking = (first, *(i for i in range(COUNT) if i != first))
    searched = (before, *(i for i in range(COUNT) if i != before))
    return QueryAnswer(index, index, f'q{index}', state, ranking, searched, {}, **changes)


def evaluation(answers, located: bool = True, **changes) -> Evaluation:
    """Query i was taken ten metres from reference i - 1, at reference i, which alone is right."""
    xy = np.stack([10.0 * np.arange(COUNT), np.zeros(COUNT)], axis=1)
    return Evaluation(
        conditions(**changes),
        [frozenset({i}) for i in range(COUNT)],
        Answers(list(answers)),
        PlottedPositions(xy, xy) if located else None,
    )


def chosen(given: Evaluation, title: str, most: int = 6) -> list[int]:
    found = [choice for choice in choose(given, most) if choice.title.startswith(title)]
    return [answer.index for choice in found for answer in choice.answers]


def test_the_farthest_mistake_comes_first():
    given = evaluation(
        [answered(0, 0), answered(1, 2), answered(2, 11), answered(3, 8), answered(4, 4)]
    )
    assert chosen(given, 'Farthest mistakes') == [2, 3, 1]
    assert chosen(given, 'Farthest mistakes', most=1) == [2]
    assert distance_to_reference(given, given.answers[2], 11) == pytest.approx(90)


def test_neighbours_come_after_others():
    """Of a hundred queries, two in a row are one mistake."""
    xy = np.zeros((100, 2))
    answers = [answered(i, 1, state=State.UNKNOWN, probability=p)
               for i, p in ((40, 0.9), (41, 0.8), (90, 0.1))]  # fmt: skip
    given = Evaluation(
        conditions(), [frozenset({0})] * 100, Answers(answers), PlottedPositions(xy, xy)
    )
    assert chosen(given, 'Most confident', most=2) == [40, 90]
    assert chosen(given, 'Most confident', most=3) == [40, 90, 41]


def test_decided_mistakes_are_more_confident_than_probable_ones():
    given = evaluation([
        answered(1, 2, state=State.UNKNOWN, probability=0.94),
        answered(2, 3, probability=0.6),
        answered(3, 4, state=State.NOT_IN_MAP, probability=0.1),
        answered(4, 4, probability=0.99),
    ])  # fmt: skip
    assert chosen(given, 'Most confident mistakes') == [2, 3, 1]


def test_without_probabilities_the_similarity_tells_how_confident_an_answer_was():
    others = (0.1,) * (COUNT - 1)
    given = evaluation(
        [
            answered(1, 2, similarities=(0.5, *others)),
            answered(3, 4, similarities=(0.8, *others)),
        ],
        sequence=False,
    )
    assert chosen(given, 'Most confident mistakes') == [3, 1]


def test_saved_ones_were_wrong_before():
    given = evaluation([answered(3, 3, before=7), answered(4, 4), answered(9, 9, before=0)])
    # Reference 9 ranked lower before than reference 3.
    assert chosen(given, 'Saved') == [9, 3]
    recorded = Evaluation(
        conditions(),
        given.positives,
        Answers([QueryAnswer(3, 3, '', State.LOCALIZED, (3,), None)]),
    )
    assert chosen(recorded, 'Saved') == []


def test_undecided_ones_of_each_cause():
    def undecided(index: int, cause: Cause) -> QueryAnswer:
        return answered(index, index, state=State.UNKNOWN, explanation=Explanation(cause, 'why'))

    low, few = Cause.LOW_PROBABILITY, Cause.FEW_IMAGES
    given = evaluation([undecided(0, few), *(undecided(i, low) for i in (3, 4, 5))])
    assert chosen(given, 'Right, but', most=2) == [4, 0]
    assert sorted(chosen(given, 'Right, but')) == [0, 3, 4, 5]
    alone = evaluation(given.answers, sequence=False)
    assert chosen(alone, 'Right, but') == []


def test_without_positions_mistakes_keep_the_order_of_the_queries():
    given = evaluation([answered(1, 2), answered(2, 11)], located=False)
    assert chosen(given, 'Mistakes') == [1, 2]
    assert math.isnan(distance_to_reference(given, given.answers[0], 2))


def test_nothing_to_show_is_no_gallery():
    assert choose(evaluation([answered(i, i) for i in range(COUNT)])) == []


def test_kinds():
    given = evaluation([
        answered(0, 0), answered(1, 2), answered(2, 2, state=State.UNKNOWN),
        answered(3, 9, state=State.AMBIGUOUS), answered(4, 4, state=State.NOT_IN_MAP),
    ])  # fmt: skip
    kinds = {
        kind: [answer.index for answer in answers_of_kind(given, kind)]
        for kind in ('wrong', 'localized', 'undecided', 'all')
    }
    assert kinds == {
        'wrong': [1, 3, 4], 'localized': [0, 1], 'undecided': [2, 3], 'all': [0, 1, 2, 3, 4],
    }  # fmt: skip
    blind = Evaluation(conditions(), [None] * COUNT, given.given)
    with pytest.raises(InputError, match='ground truth'):
        answers_of_kind(blind, 'wrong')
    assert len(answers_of_kind(blind, 'all')) == 5


def test_the_nearest_of_several_right_references():
    given = evaluation([answered(5, 0)])
    several = Evaluation(
        given.conditions, [frozenset({2, 6, 9})] * COUNT, given.given, given.plotted
    )
    assert nearest_positive(several, several.answers[0]) == 6
    unlocated = Evaluation(given.conditions, several.positives, given.given)
    assert nearest_positive(unlocated, unlocated.answers[0]) == 6
    none = Evaluation(given.conditions, [frozenset()] * COUNT, given.given)
    assert nearest_positive(none, none.answers[0]) is None
