"""Answers drawn from a real map: matches found again, and what is said of each."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from helpers import scenes

from fol_vpr.config import MappingConfig, NetworkConfig, RecognizerConfig
from fol_vpr.datatypes import LocalizationState as State
from fol_vpr.evaluation.galleries import AnswerPainter, galleries
from fol_vpr.evaluation.ground_truth import PlottedPositions
from fol_vpr.evaluation.offline import Answers, QueryAnswer
from fol_vpr.evaluation.report import Conditions, Evaluation
from fol_vpr.mapping import build_map
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.reporting.galleries import gallery_blocks
from fol_vpr.sources import open_source

COUNT = 4
NETWORK = NetworkConfig(weights='fol_tiny', input_size=126)


@pytest.fixture(scope='module')
def recognizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp('places')
    images, path = scenes.write_folder(folder / 'ref', COUNT), folder / 'm.folmap'
    made = PlaceRecognizer(RecognizerConfig(NETWORK))
    build_map(open_source(images), path, made.extractor, MappingConfig())
    made.load_map(path)
    yield made
    made.close()


def evaluated(answers, positives) -> Evaluation:
    conditions = Conditions('m', '', 's', 'g', 'w', True, '', '', COUNT, sequence=True)
    xy = np.stack([10.0 * np.arange(COUNT), np.zeros(COUNT)], axis=1)
    return Evaluation(conditions, positives, Answers(answers), PlottedPositions(xy, xy))


def answered(index: int, ranking, **changes) -> QueryAnswer:
    values = {'probability': 0.9, 'timings': {'total': 0.25}, **changes}
    return QueryAnswer(index, index, f'q{index}.jpg', State.LOCALIZED, ranking, (0, 1), **values)


def frame(index: int):
    return scenes.frames(COUNT, shift=6)[index]


def painter(recognizer, evaluation, with_network: bool = True) -> AnswerPainter:
    return AnswerPainter(
        evaluation,
        recognizer.places,
        frame,
        recognizer.reference_image,
        recognizer if with_network else None,
    )


def test_a_wrong_answer_stands_beside_the_right_one(recognizer):
    given = evaluated([answered(2, (0, 2, 1))], [frozenset({i}) for i in range(COUNT)])
    item = painter(recognizer, given).item(given.answers[0])
    assert item.caption == 'Query 2: LOCALIZED, wrong place, 20.0 m from the query'
    assert item.right is False and item.truth_caption == 'ref/000002, 0.0 m from the query'
    facts = dict(item.facts)
    assert facts['answer'] == 'ref/000000, 20.0 m from the query'
    assert facts['rank of the first right reference'] == 'not among 2 before, 2 after re-ranking'
    assert (facts['probability'], facts['time']) == ('0.900', '250 ms')
    assert 'local matches' in item.legend.lower()
    for jpeg in (item.pair, item.truth):
        assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) is not None
        assert len(jpeg) <= 110_000


def test_matches_are_found_again_and_recorded_answers_have_none(recognizer):
    given = evaluated([answered(1, (1, 0))], [frozenset({1})] * COUNT)
    item = painter(recognizer, given).item(given.answers[0])
    bare = painter(recognizer, given, with_network=False).item(given.answers[0])
    assert 'agree with one motion of the camera' in item.legend
    assert 'Recorded answers hold no positions of matches' in bare.legend
    assert item.right is True and item.truth is None
    assert len(item.pair) > len(bare.pair)


def test_what_is_not_known_is_said(recognizer):
    given = evaluated(
        [answered(0, (0,), probability=math.nan), answered(1, (0,)), answered(2, ())],
        [None, frozenset(), frozenset({2}), None],
    )
    drawn = painter(recognizer, given, with_network=False)
    captions = [drawn.item(answer).caption.partition(', ')[2] for answer in given.answers]
    assert captions == [
        'where this query was taken is not known',
        'the map does not have the place of this query',
        'no hypothesis',
    ]
    assert [drawn.truth(answer).right for answer in given.answers[:2]] == [None, False]


def test_a_query_that_cannot_be_read_any_more_has_no_picture(recognizer):
    given = evaluated([answered(1, (0,))], [frozenset({1})] * COUNT)
    blind = AnswerPainter(given, recognizer.places, lambda _: None, recognizer.reference_image)
    assert blind.picture(given.answers[0]) is None
    assert blind.item(given.answers[0]).pair is None


def test_galleries_draw_each_answer_once_and_become_blocks_of_a_page(recognizer, monkeypatch):
    answers = [answered(i, ((i + 1) % COUNT,)) for i in range(COUNT)]
    given = evaluated(answers, [frozenset({i}) for i in range(COUNT)])
    drawn = painter(recognizer, given, with_network=False)
    found = galleries(given, drawn, most=3)
    assert [gallery.title for gallery in found] == ['Farthest mistakes', 'Most confident mistakes']
    by_index = {item.answer.index: item for item in found[0].items}
    assert any(by_index.get(item.answer.index) is item for item in found[1].items)
    told: list[tuple[int, int]] = []
    blocks = gallery_blocks(given, drawn, 3, lambda done, total, _: told.append((done, total)))
    assert told == [(i + 1, 6) for i in range(6)]
    assert '3 of 4 are shown' in blocks[0].explanation
    assert blocks[0].items[0].tone == 'wrong' and len(blocks[0].items[0].pictures) == 2
