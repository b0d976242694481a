"""What came of a query, as it is drawn."""

from __future__ import annotations

import pytest

from fol_vpr.datatypes import LocalizationState as State
from fol_vpr.evaluation.offline import QueryAnswer
from fol_vpr.evaluation.outcomes import Outcome, outcome

HERE, ELSEWHERE, NOWHERE = frozenset({3, 4}), frozenset({7}), frozenset()


def came(state: State, positive: frozenset[int] | None, *, sequence: bool) -> Outcome:
    answer = QueryAnswer(
        index=0, stamp_ns=0, uri='', state=state, ranking=(3, 7), global_ranking=None, timings={}
    )
    return outcome(answer, positive, sequence=sequence)


@pytest.mark.parametrize(
    ('positive', 'expected'),
    [
        (HERE, Outcome.RIGHT),
        (ELSEWHERE, Outcome.WRONG),
        (NOWHERE, Outcome.NO_POSITIVE),
        (None, Outcome.UNJUDGED),
    ],
)
def test_a_query_by_itself_has_only_a_first_hypothesis(positive, expected):
    """Whatever its state, for which it would need others."""
    for state in State:
        assert came(state, positive, sequence=False) is expected


@pytest.mark.parametrize(
    ('state', 'positive', 'expected'),
    [
        (State.LOCALIZED, HERE, Outcome.LOCALIZED_RIGHT),
        (State.LOCALIZED, ELSEWHERE, Outcome.LOCALIZED_WRONG),
        # There is no right place to be sure of.
        (State.LOCALIZED, NOWHERE, Outcome.LOCALIZED_WRONG),
        (State.LOCALIZED, None, Outcome.LOCALIZED),
        (State.NOT_IN_MAP, HERE, Outcome.NOT_IN_MAP_WRONG),
        (State.NOT_IN_MAP, NOWHERE, Outcome.NOT_IN_MAP_RIGHT),
        (State.NOT_IN_MAP, None, Outcome.NOT_IN_MAP),
        (State.UNKNOWN, HERE, Outcome.UNDECIDED_RIGHT),
        (State.AMBIGUOUS, ELSEWHERE, Outcome.UNDECIDED_WRONG),
        (State.UNKNOWN, NOWHERE, Outcome.UNDECIDED),
        (State.UNKNOWN, None, Outcome.UNDECIDED_UNJUDGED),
    ],
)
def test_in_a_stream_what_was_said_counts(state, positive, expected):
    assert came(state, positive, sequence=True) is expected


def test_what_is_drawn_apart_looks_apart():
    for drawn in (list(Outcome)[:4], list(Outcome)[4:]):
        assert len({(each.colour, each.marker, each.filled) for each in drawn}) == len(drawn)
    assert len({each.words for each in Outcome}) == len(Outcome)
