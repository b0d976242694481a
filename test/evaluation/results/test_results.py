"""The document of a result: what is written is read again, and anything else is refused."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest

from fol_vpr.config import RecognizerConfig
from fol_vpr.datatypes import Cause, Explanation, LocalizationState
from fol_vpr.errors import InputError
from fol_vpr.evaluation.ground_truth import PlottedPositions
from fol_vpr.evaluation.offline import Answers, QueryAnswer
from fol_vpr.evaluation.report import Conditions, Evaluation
from fol_vpr.evaluation.results import (
    MapFile,
    Provenance,
    References,
    Result,
    Settings,
    read_result,
)


@pytest.fixture
def result() -> Result:
    """Three queries of three references: one right, one without an answer, one unknown."""
    conditions = Conditions(
        map='m.folmap', map_id='id', source='3 images', ground_truth='within 5 m', weights='w',
        trained=True, model_id='abc', preprocessing_id='p', references=3, rerank=20, sequence=True,
        warnings=('too easy',),
    )  # fmt: skip
    answers = [
        QueryAnswer(
            0, 10, 'a.jpg', LocalizationState.LOCALIZED, (2, 0), (0, 2), {'total': 0.25}, 0.97,
            0.01, Explanation(Cause.PLACE_PROBABLE, 'probability 0.97', ''), (0.5, 0.25),
            (40.0, math.nan),
        ),
        QueryAnswer(2, 30, 'c.jpg', LocalizationState.UNKNOWN, (), ()),
    ]  # fmt: skip
    plotted = PlottedPositions(
        np.array([[0, 1.5], [2, 3], [math.nan] * 2]), np.array([[0, 1], [math.nan] * 2, [4, 5]])
    )
    evaluation = Evaluation(
        conditions, [frozenset({2}), frozenset(), None], Answers(answers, 1), plotted
    )
    return Result(
        evaluation,
        References(('day/0', 'day/1', 'night/0'), ('day', 'night'), (0, 0, 1)),
        Provenance.of_this(['evaluate', '--map', 'a b.folmap'], seconds=1.5),
        Settings.of(RecognizerConfig(), 'fine', ['retrieval.candidates']),
        MapFile('00ff', 'content', 1000, '2026-01-01T00:00:00+00:00'),
    )


@pytest.fixture
def written(result: Result, tmp_path: Path) -> Path:
    path = tmp_path / 'result.json'
    with path.open('w') as file:
        result.write(file)
    return path


def test_what_is_written_is_read_again(result: Result, written: Path):
    read = read_result(written)
    # NaN compares unequal, so the documents of both are compared.
    assert read.as_json() == result.as_json()
    assert read.evaluation.as_table() == result.evaluation.as_table()
    assert read.provenance == result.provenance
    assert read.provenance.command == "fol_vpr evaluate --map 'a b.folmap'"
    assert read.settings == result.settings
    first, last = read.evaluation.answers
    assert (first.probability, first.match_scores[0]) == (0.97, 40.0)
    assert math.isnan(first.match_scores[1])
    assert (last.index, last.ranking, math.isnan(last.probability)) == (2, (), True)


def test_each_query_has_its_line(written: Path):
    lines = [line for line in written.read_text().splitlines() if '"index":' in line]
    assert [json.loads(line.rstrip(','))['index'] for line in lines] == [0, 1, 2]


def test_the_csv_names_what_produced_it(result: Result):
    text = io.StringIO(newline='')
    result.write_per_query(text)
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert [row['state'] for row in rows] == ['LOCALIZED', 'UNANSWERED', 'UNKNOWN']
    for row in rows:
        assert row['command'] == result.provenance.command
        assert row['date'] == result.provenance.date
        assert row['fol_vpr_version'] == result.provenance.fol_vpr_version
        assert (row['codec'], row['candidates'], row['shortlist'], row['rerank_score']) == (
            'fine', '100', '6', 'spatial',
        )  # fmt: skip


def test_a_password_in_an_address_is_not_written(tmp_path: Path):
    assert not [n for n in Settings.of(RecognizerConfig(), 'fine').values if 'uri' in n]


def test_control_characters_of_the_command_line_are_escaped():
    assert Provenance.of_this(['evaluate', 'a\x1b[31m']).command.isprintable()


def test_a_long_command_is_read_back(result, tmp_path):
    named = dataclasses.replace(
        result, provenance=Provenance.of_this(['evaluate', *[f'{i}.jpg' for i in range(2000)]])
    )
    path = tmp_path / 'r.json'
    with path.open('w') as file:
        named.write(file)
    assert read_result(path).provenance.command.startswith('fol_vpr evaluate 0.jpg')


@pytest.mark.parametrize(
    'address', ['http://me:secret@server:19530/city', 'https://server:19530?token=secret']
)
@pytest.mark.parametrize('form', ['--index-uri {}', '--index-uri={}'])
def test_the_command_of_a_result_holds_no_password(address, form):
    arguments = ['evaluate', *form.format(address).split(), '--map', 'a.folmap']
    command = Provenance.of_this(arguments).command
    assert 'secret' not in command
    assert 'server:19530' in command and command.endswith('--map a.folmap')


@pytest.mark.parametrize(
    ('way', 'value', 'named'),
    [
        (('format',), 'coco', 'format'),
        (('format_version',), 2, 'newer'),
        (('format_version',), True, 'format_version'),
        (('queries',), 4, '"queries" is 4, expected 3'),
        (('references',), 5, '"references" is 5, expected 3'),
        (('per_query', 1, 'index'), 0, r'per_query\[1\].index'),
        (('per_query', 0, 'ranking'), [2, 3], r'per_query\[0\].ranking\[1\].*0 to 2'),
        (('per_query', 0, 'ranking'), [2, 2], r'ranking.*once'),
        (('per_query', 0, 'positives'), [-1], r'positives\[0\]'),
        (('per_query', 0, 'positives'), [1.0], r'positives\[0\]'),
        (('per_query', 0, 'similarities'), [1.0], r'similarities.*2 numbers'),
        (('per_query', 0, 'probability'), 1.2, r'probability.*1.2'),
        (('per_query', 0, 'probability'), '1', r'probability.*a number'),
        (('per_query', 0, 'state'), 'LOST', r'state.*LOCALIZED'),
        (('per_query', 0, 'timings_ms', 'total'), -1, r'timings_ms.total'),
        (('per_query', 0, 'xy'), [1], r'xy'),
        (('per_query', 0, 'xy'), [1, 1e20], r'xy\[1\]'),
        (('places', 'session_of'), [0, 0], r'session_of.*3'),
        (('places', 'session_of'), [0, 0, 2], r'session_of\[2\]'),
        (('places', 'xy'), [None], r'places.xy'),
        (('places', 'place_ids'), 'abc', r'place_ids.*a list'),
        (('settings', 'values', 'x'), {}, r'settings.values.x'),
        (('provenance', 'machine'), None, r'provenance.machine'),
        (('trained',), 1, r'trained.*true or false'),
    ],
)
def test_values_that_do_not_fit_are_named(written: Path, way, value, named: str):
    document = json.loads(written.read_text())
    place = document
    for key in way[:-1]:
        place = place[key]
    place[way[-1]] = value
    written.write_text(json.dumps(document))
    with pytest.raises(InputError, match=named) as caught:
        read_result(written)
    assert str(written) in str(caught.value)


@pytest.mark.parametrize('key', ['per_query', 'places', 'provenance', 'map_id', 'warnings'])
def test_a_missing_key_is_named(written: Path, key: str):
    document = json.loads(written.read_text())
    del document[key]
    written.write_text(json.dumps(document))
    with pytest.raises(InputError, match=f'no key "{key}"'):
        read_result(written)


@pytest.mark.parametrize('text', ['', '[1', '{"format": NaN}', '[]', '"x"', 'null'])
def test_another_file_is_no_result(tmp_path: Path, text: str):
    path = tmp_path / 'other.json'
    path.write_text(text)
    with pytest.raises(InputError, match=r'other\.json is no'):
        read_result(path)
