"""The picture of an evaluation: figures on it, nothing hidden, mistakes first."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import cv2
import matplotlib as mpl
import numpy as np
import pytest
from helpers.disk_limits import small_files
from helpers.scenes import view
from matplotlib.figure import Figure

from fol_vpr.datatypes import LocalizationState as State
from fol_vpr.errors import StorageError
from fol_vpr.evaluation.ground_truth import PlottedPositions
from fol_vpr.evaluation.offline import Answers, QueryAnswer
from fol_vpr.evaluation.pictures import draw_evaluation, save_figure
from fol_vpr.evaluation.report import Conditions, Evaluation
from fol_vpr.pictures import write_picture

QUERIES = 100
CONDITIONS = Conditions('m.folmap', 'id', 'a drive', 'within 5 m', 'fol_tiny', True, 'a', 'b', 100)


def evaluation(*, sequence: bool = True, plotted: bool = True) -> Evaluation:
    """Of a drive of 100 m; query 40 is a wrong decision, and queries 10 and 60 are undecided."""
    undecided, wrong = {10: 0.6, 60: 0.9, 61: 0.8}, {10, 40, 60, 61}
    answers = [
        QueryAnswer(
            i, i, f'{i}.jpg', State.UNKNOWN if i in undecided else State.LOCALIZED,
            ((i + 30) % QUERIES if i in wrong else i, 99), None,
            probability=undecided.get(i, 0.99),
        )
        for i in range(QUERIES)
    ]  # fmt: skip
    line = np.stack([np.arange(QUERIES, dtype=float), np.zeros(QUERIES)], axis=1)
    return Evaluation(
        replace(CONDITIONS, sequence=sequence, calibrated=True),
        [frozenset({i}) for i in range(QUERIES)],
        Answers(answers),
        PlottedPositions(line + 0.5, line) if plotted else None,
    )


def texts(path, drawn: Evaluation, **settings) -> dict[str, tuple[float, float]]:
    """Texts of the picture with their positions in points, y downwards."""
    image = view(1)
    jpeg = cv2.imencode('.jpg', image)[1].tobytes()
    with mpl.rc_context({'svg.fonttype': 'none'}):
        draw_evaluation(path, drawn, lambda _: image, lambda _: jpeg, **settings)
    found = re.findall(
        r'<text [^>]*?(?:x="([-\d.]+)" y="([-\d.]+)"|transform="translate\(([-\d.]+) ([-\d.]+)\))'
        r'[^>]*>([^<]*)</text>',
        path.read_text(),
    )
    return {text: (float(a or c), float(b or d)) for a, b, c, d, text in found}


def test_the_figures_are_on_it_and_the_legend_is_below(tmp_path):
    found = texts(tmp_path / 'p.svg', evaluation())
    title = next(text for text in found if text.startswith('LOCALIZED: '))
    assert title.startswith('LOCALIZED: 96 right, 1 wrong, of 100 images')
    assert 'Recall@1 96.0 % (95 % interval 90.2 to 98.4)' in title
    for words in ('references', 'LOCALIZED, right (96)', 'undecided, first is wrong (3)'):
        assert found[words][1] > found['x in metres'][1]


def test_a_picture_that_does_not_fit_leaves_the_one_that_was_there(tmp_path):
    path = tmp_path / 'answers.png'
    path.write_bytes(b'old')
    with small_files(1000), pytest.raises(StorageError, match=r'answers\.png cannot be written'):
        save_figure(Figure(), path)
    with pytest.raises(StorageError, match=r'a name that ends in \.png'):
        save_figure(Figure(), tmp_path / 'answers.xyz')
    with small_files(1000), pytest.raises(StorageError, match=r'answers\.png cannot be written'):
        write_picture(path, np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8))
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]


def test_mistakes_come_first_and_apart(tmp_path):
    found = texts(tmp_path / 'p.svg', evaluation(), pairs=4)
    names = sorted((text for text in found if ' query ' in text), key=lambda text: found[text][1])
    assert names[:3] == [
        '1  query 40: LOCALIZED, 0.99',
        '2  query 60: UNKNOWN, 0.90',
        '3  query 10: UNKNOWN, 0.60',
    ]
    assert 'reference 70: wrong, 29.5 m away' in found
    assert re.match(r'4  query \d+: LOCALIZED, 0.99', names[3])
    # The numbers in the drawing lead to the images.
    assert {'1', '2', '3', '4'} <= set(found)


@pytest.mark.parametrize('plotted', [True, False])
def test_without_a_sequence_the_recall_is_the_figure(tmp_path, plotted):
    found = texts(tmp_path / 'p.svg', evaluation(sequence=False, plotted=plotted))
    assert any(text.startswith('Recall@1 96.0 %') for text in found)
    assert not any(text.startswith('LOCALIZED: ') for text in found)
    assert ('y in metres' in found) == plotted


def test_without_ground_truth_nothing_is_right_or_wrong(tmp_path):
    drawn = replace(evaluation(), positives=[None] * QUERIES, plotted=None)
    found = texts(tmp_path / 'p.svg', drawn)
    assert any(text.startswith('LOCALIZED: 97 of 100 images') for text in found)
    assert not any('right' in text for text in found if text.startswith('reference'))


def test_a_drive_without_answers_is_drawn(tmp_path):
    nothing = QueryAnswer(0, 0, '0.jpg', State.UNKNOWN, (), None, probability=math.nan)
    drawn = replace(evaluation(), given=Answers([nothing]))
    assert texts(tmp_path / 'p.svg', drawn)


@pytest.mark.parametrize('sequence', [False, True])
def test_without_ground_truth_nothing_is_called_right_wrong_or_positive(tmp_path, sequence):
    judged = evaluation(sequence=sequence, plotted=False)
    drawn = Evaluation(judged.conditions, [None] * QUERIES, judged.given)
    found = ' | '.join(texts(tmp_path / 'p.svg', drawn))
    assert f'{QUERIES}' in found and 'not judged' in found
    assert not re.search('right|wrong|positive|ground truth', found), found
    table = drawn.as_table()
    assert not re.search('right|wrong|positive', table), table


def test_no_label_of_a_small_map_is_cut_off(tmp_path):
    drawn = evaluation()
    x = np.linspace(-0.7, 1.7, QUERIES)
    room = np.stack([x, 0.4 * np.sin(3 * x)], axis=1)
    drawn = replace(drawn, plotted=PlottedPositions(room + 0.01, room))
    image = view(1)
    jpeg = cv2.imencode('.jpg', image)[1].tobytes()
    draw_evaluation(tmp_path / 'p.png', drawn, lambda _: image, lambda _: jpeg)
    assert (cv2.imread(str(tmp_path / 'p.png'))[:, 0] == 255).all()
