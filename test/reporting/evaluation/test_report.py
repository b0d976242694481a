"""The page of an evaluation: what is known is shown, what is not known is not mentioned."""

from __future__ import annotations

import base64
import math
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from helpers.browser import figures_of, loaded_by, opened, visible_text

from fol_vpr.config import RecognizerConfig
from fol_vpr.datatypes import Cause, Explanation, LocalizationState
from fol_vpr.errors import InputError
from fol_vpr.evaluation.ground_truth import PlottedPositions
from fol_vpr.evaluation.offline import Answers, QueryAnswer
from fol_vpr.evaluation.report import Conditions, Evaluation
from fol_vpr.evaluation.results import MapFile, Provenance, References, Result, Settings
from fol_vpr.reporting.evaluation import FrameImages, evaluation_page
from fol_vpr.reporting.evaluation.frames import MISTAKES, QUERIES

EVIL = '</script><b>x</b>'


def make(queries: int = 12, wrong: tuple[int, ...] = (3,), references: int = 8) -> Result:
    """A drive along a line: each query shows the reference at its position, but for `wrong`."""
    answers = []
    for index in range(queries):
        true = index % references
        first = (true + 3) % references if index in wrong else true
        order = (first, *[i for i in range(references) if i != first])
        state = LocalizationState.LOCALIZED if index % 2 else LocalizationState.UNKNOWN
        cause = Cause.PLACE_PROBABLE if index % 2 else Cause.FEW_IMAGES
        answers.append(
            QueryAnswer(
                index, index, f'{EVIL}{index}.jpg', state, order, order[::-1],
                {'forward': 0.1, 'total': 0.2}, 0.6 if index in wrong else 0.98, 0.01,
                Explanation(cause, f'reason {EVIL}', 'remedy'),
                tuple(0.9 - 0.1 * k for k in range(references)), (300.0,) * references,
            )
        )  # fmt: skip
    conditions = Conditions(
        map=f'{EVIL}.folmap', map_id='id', source=EVIL, ground_truth='within 5 m', weights='w',
        trained=True, model_id='a' * 64, preprocessing_id='p', references=references, rerank=20,
        sequence=True, warnings=(EVIL,),
    )  # fmt: skip
    line = np.arange(queries)[:, None] % references * [10.0, 0]
    plotted = PlottedPositions(line + 1, np.arange(references)[:, None] * [10.0, 0])
    positives = [frozenset({index % references}) for index in range(queries)]
    return Result(
        Evaluation(conditions, positives, Answers(answers), plotted),
        References(tuple(f'{EVIL}{n}' for n in range(references)), ('day',), (0,) * references),
        Provenance.of_this(['evaluate', EVIL], seconds=2),
        Settings.of(RecognizerConfig(), 'fine'),
        MapFile('b' * 64, 'c', 1234567, '2026-01-01T00:00:00+00:00'),
    )


def without_truth(result: Result) -> Result:
    evaluation = result.evaluation
    conditions = replace(evaluation.conditions, ground_truth='none')
    unknown = [None] * evaluation.queries
    return replace(
        result, evaluation=Evaluation(conditions, unknown, evaluation.given, evaluation.plotted)
    )


def test_the_figures_of_the_page_are_those_of_the_evaluation():
    result = make()
    text = visible_text(evaluation_page(result).html())
    assert '91.7 % (64.6 to 98.5)' in text  # 11 of 12, Wilson
    assert 'Recall@1 95 % interval 64.6 to 98.5' in text
    assert 'The first reference of 1 query is wrong: 3 references from a right one' in text
    assert '5 LOCALIZED, right 1 LOCALIZED, wrong 6 undecided' in text
    assert 'too few images in a row 6' in text
    # The mistake has the lowest probability, so that all others can be answered without it.
    assert 'probability 91.7 % 0.98' in text
    assert 'forward 100.0 100.0 100.0 100.0' in text


def test_everything_that_produced_it_is_named():
    result = make()
    text = visible_text(evaluation_page(result).html())
    for value in (
        result.provenance.command, result.provenance.date, result.provenance.fol_vpr_version,
        'a' * 64, 'b' * 64, '1 234 567', 'fine', 'retrieval.candidates 100', 'Python 3.',
    ):  # fmt: skip
        assert value in text, value


def test_without_ground_truth_nothing_is_called_right_or_wrong():
    blank = FrameImages(lambda _: np.zeros((8, 8, 3), np.uint8), lambda _: None)
    html = evaluation_page(without_truth(make(QUERIES + 10)), blank).html()
    traces = [trace.get('name', '') for figure in figures_of(html) for trace in figure['data']]
    words = f'{visible_text(html)} {" ".join(traces)}'
    judging = r'(?i)\b(recall\S*|positive\S*|right|wrong|mistakes?|100 % precision)\b'
    assert re.findall(judging, words) == []
    assert 'LOCALIZED (155)' in traces
    assert f'frames of {QUERIES} of {QUERIES + 10} queries' in words


def test_without_positions_the_first_references_are_drawn():
    result = make()
    known = result.evaluation
    evaluation = Evaluation(known.conditions, known.positives, known.given)
    html = evaluation_page(replace(result, evaluation=evaluation)).html()
    first = figures_of(html)[0]
    assert first['layout']['yaxis']['title']['text'] == 'first reference'
    assert 'metres' not in visible_text(html)


def test_a_recording_without_scores_has_its_page():
    result = make()
    bare = [
        QueryAnswer(a.index, a.stamp_ns, a.uri, a.state, a.ranking, None,
                    {'processing': 0.1, 'waiting': 0.3, 'total': 0.4})
        for a in result.evaluation.answers[2:]
    ]  # fmt: skip
    conditions = replace(result.evaluation.conditions, recording='bag', rerank=None)
    evaluation = Evaluation(conditions, result.evaluation.positives, Answers(bare, 2))
    text = visible_text(
        evaluation_page(replace(result, evaluation=evaluation, settings=Settings())).html()
    )
    assert 'waiting for earlier images 300.0' in text
    assert '2 of 12 queries got no answer' in text
    assert '2 recorded answers belong to no query' in text
    assert 'not recorded' in text
    assert 'similar references' not in text
    assert 'Machine of this evaluation, not of the answers' in text
    assert 'calibration error' not in text


def test_an_evaluation_without_any_answer_has_its_page():
    result = make()
    known = result.evaluation
    evaluation = Evaluation(known.conditions, known.positives, Answers([]), known.plotted)
    text = visible_text(evaluation_page(replace(result, evaluation=evaluation)).html())
    assert '12 of 12 queries got no answer' in text


def test_frames_are_those_of_all_mistakes_and_of_a_part_of_the_others():
    count = 2 * QUERIES
    result = make(count, wrong=tuple(range(1, 60, 2)))
    asked = []

    def query(index):
        asked.append(index)
        if index == 1:
            raise InputError('cannot be read')
        return np.full((300, 400, 3), index % 256, np.uint8)

    jpeg = cv2.imencode('.jpg', np.zeros((30, 40, 3), np.uint8))[1].tobytes()
    html = evaluation_page(
        result, FrameImages(query, lambda index: jpeg if index else None)
    ).html()
    assert len(asked) == len(set(asked))
    assert QUERIES <= len(asked) <= QUERIES + MISTAKES
    assert set(range(1, 60, 2)) <= set(asked)
    text = visible_text(html)
    assert f'frames of {len(asked)} of {count} queries' in text
    assert 'and mistakes, all of them' in text
    details = figures_of(html)[0]['details']
    assert sorted(map(int, details)) == sorted(asked)
    captions = [picture['caption'] for picture in details['3']['pictures']]
    assert captions[0] == 'query 3'
    assert captions[1].startswith('answer ') and 'm away)' in captions[1]
    assert captions[2].startswith('right reference ')
    assert len(details['2']['pictures']) == 2
    assert 'query 1' not in [picture['caption'] for picture in details['1']['pictures']]


def test_a_browser_draws_the_report_without_an_error(tmp_path):
    page = evaluation_page(make())
    html = page.html()
    assert loaded_by(html) == []
    assert EVIL not in html
    path = tmp_path / 'report.html'
    page.write(path)
    document = opened(path, tmp_path)
    assert 'data-drawn="yes"' in document
    charts = len(figures_of(html))
    assert charts >= 6
    assert document.count('class="js-plotly-plot"') + document.count(' js-plotly-plot"') == charts


@pytest.mark.parametrize('what', ['probability', 'match_scores', 'similarities'])
def test_what_an_answer_does_not_carry_has_no_curve(what: str):
    result = make()
    empty = {'probability': math.nan, 'match_scores': (), 'similarities': ()}
    answers = [replace(a, **{what: empty[what]}) for a in result.evaluation.answers]
    known = result.evaluation
    evaluation = Evaluation(known.conditions, known.positives, Answers(answers), known.plotted)
    html = evaluation_page(replace(result, evaluation=evaluation)).html()
    names = [trace.get('name', '') for figure in figures_of(html) for trace in figure['data']]
    shown = {'probability': 'probability', 'match_scores': 'local matches',
             'similarities': 'global similarity'}[what]  # fmt: skip
    assert shown not in names


@pytest.mark.parametrize(('size', 'farthest'), [(10.0, 50.0), (0.1, 0.7)])
def test_the_axis_of_the_allowed_distance_ends_with_the_map(size: float, farthest: float):
    result = make()
    plotted = result.evaluation.plotted
    assert plotted is not None
    scaled = PlottedPositions(plotted.queries * size / 10, plotted.references * size / 10)
    page = evaluation_page(replace(result, evaluation=replace(result.evaluation, plotted=scaled)))
    figure = next(
        figure for figure in figures_of(page.html())
        if 'allowed distance' in str(figure['layout']['xaxis'])
    )  # fmt: skip
    metres = figure['data'][0]['x']
    numbers = np.frombuffer(base64.b64decode(metres['bdata']), metres['dtype'])
    assert numbers[-1] == pytest.approx(farthest)
