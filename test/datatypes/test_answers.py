"""What answers say of themselves."""

from __future__ import annotations

import json

import numpy as np

from fol_vpr.datatypes import (
    Cause,
    Explanation,
    LocalizationState,
    Place,
    PlaceHypothesis,
    Pose,
    Recognition,
    Verification,
)


def test_every_cause_has_words_of_its_own():
    words = [cause.in_words for cause in Cause]
    assert all(words) and len(set(words)) == len(words)


def hypothesis(**changes) -> PlaceHypothesis:
    place = Place(3, 'day/000003', 'day', 0, 'a.jpg', (640, 480))
    values = {'place': place, 'rank': 0, 'similarity': 0.8766, **changes}
    return PlaceHypothesis(**values)


def test_an_answer_prints_as_one_line():
    best = hypothesis(
        probability=0.98765,
        inliers=214,
        verification=Verification.GEOMETRY,
        pose=Pose(np.array([1.0, -2.5, 0.0]), np.array([0, 0, 0, 1.0])),
        query_xy=np.zeros((300, 2)),
    )
    assert str(best) == (
        'day/000003 of day, probability 0.988, similarity 0.877, 214 inliers, '
        'at 1.00, -2.50, 0.00 m'
    )
    why = Explanation(Cause.FEW_IMAGES, 'images 1 of 3', 'wait')
    answer = Recognition(7, 'cam', LocalizationState.UNKNOWN, (best,), explanation=why)
    assert str(answer) == f'UNKNOWN (too few images in a row); best: {best}'
    assert (answer.best, answer.cause) == (best, Cause.FEW_IMAGES)
    assert (answer.reason, answer.remedy) == ('images 1 of 3', 'wait')
    for text in (repr(best), repr(answer)):
        assert 'day/000003' in text and 'array' not in text and '\n' not in text


def test_an_answer_without_hypotheses():
    answer = Recognition(7, 'cam', LocalizationState.UNKNOWN, ())
    assert answer.best is None
    assert str(answer) == 'UNKNOWN (no cause given); nothing was searched'
    assert 'best=None' in repr(answer)


def test_names_from_strangers_cannot_break_the_line():
    place = Place(0, 'x' * 300 + '\n\x1b[2J', 'drive\n', 0, '', (1, 1))
    for text in (str(hypothesis(place=place)), repr(hypothesis(place=place))):
        assert '\n' not in text and '\x1b' not in text and len(text) < 160


def test_states_print_as_their_names():
    state = LocalizationState.LOCALIZED
    assert f'{state}' == str(state) == 'LOCALIZED' and f'{state:>10}' == ' LOCALIZED'
    assert f'{state:d}' == '3' and state == 3 and json.dumps(state) == '3'
    assert (str(Cause.NO_MAP), str(Verification.LOCAL)) == ('NO_MAP', 'LOCAL')
