"""Which candidates of an image are verified."""

from dataclasses import replace

import numpy as np
import pytest

from fol_vpr.config import RecognizerConfig
from fol_vpr.datatypes import Place, Pose
from fol_vpr.recognizer.retrieval import ranks_to_verify

CONFIG = RecognizerConfig()


def places(*metres: float) -> list[Place]:
    upright = np.array([0.0, 0, 0, 1])
    return [
        Place(n, f'p{n}', 's', 0, '', (640, 480), Pose(np.array([x, 0.0, 0.0]), upright))
        for n, x in enumerate(metres)
    ]


@pytest.mark.parametrize(
    ('metres', 'expected'),
    [
        ((), []),
        ((0.0,), [0]),
        ((0.0, 1.0, 2.0, 3.0), [0, 1, 2]),
        ((0.0, 1.0, 2.0, 3.0, 50.0, 60.0), [0, 1, 4]),
        ((0.0, 50.0, 1.0, 60.0), [0, 1, 2]),
    ],
)
def test_the_best_its_rival_and_the_next_ones(metres, expected):
    assert ranks_to_verify(places(*metres), CONFIG) == expected


def test_a_rival_beyond_the_reranked_candidates_does_not_count():
    few = replace(CONFIG, retrieval=replace(CONFIG.retrieval, rerank=4))
    assert ranks_to_verify(places(0.0, 1.0, 2.0, 3.0, 50.0), few) == [0, 1, 2]
    none = replace(CONFIG, verification=replace(CONFIG.verification, verify=0))
    assert ranks_to_verify(places(0.0, 50.0), none) == []
