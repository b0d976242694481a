"""Predictions of another program, judged and compared like our own."""

from __future__ import annotations

import json

import pytest

from fol_vpr.cli.main import main


@pytest.fixture(scope='module')
def ours(drive, tmp_path_factory):
    """Our result and our predictions."""
    folder = tmp_path_factory.mktemp('ours')
    command = ['evaluate', '--map', str(drive.map), '--queries', str(drive.queries),
               '--ground-truth', str(drive.ground_truth), '--predictions', str(folder / 'run'),
               f'--json={folder / "ours.json"}']  # fmt: skip
    assert main(command) == 0
    return folder


def judge(drive, run, out, *words):
    return main(
        ['evaluate', '--map', str(drive.map), '--queries', str(drive.queries), '--ground-truth',
         str(drive.ground_truth), '--read-predictions', str(run), f'--json={out}', *words]
    )  # fmt: skip


def test_our_predictions_are_judged_as_our_answers(drive, ours, tmp_path, capsys):
    assert judge(drive, ours / 'run', tmp_path / 'again.json') == 0
    assert 'latency not recorded' in capsys.readouterr().out
    first, again = (
        json.loads(path.read_text()) for path in (ours / 'ours.json', tmp_path / 'again.json')
    )
    assert again['recall']['reranked'] == first['recall']['reranked']
    assert again['map_id'] == first['map_id']
    assert (again['decisions'], again['states'], again['latency_ms']) == (None, {}, {})
    assert main(['compare', str(ours / 'ours.json'), str(tmp_path / 'again.json')]) == 0
    out = capsys.readouterr().out
    assert 'Recall@1, final order: the same for each of the 7 queries' in out
    assert 'total, median' not in out


def test_recalls_beyond_the_saved_predictions_are_unknown(drive, ours, tmp_path):
    preds = tmp_path / 'few' / 'preds'
    preds.mkdir(parents=True)
    for file in (ours / 'run' / 'preds').iterdir():
        head, rest = file.read_text().split('Predictions paths:\n')
        first = rest.splitlines()[0]
        (preds / file.name).write_text(f'{head}Predictions paths:\n{first}\n')
    assert judge(drive, preds, tmp_path / 'few.json') == 0
    recall = json.loads((tmp_path / 'few.json').read_text())['recall']
    for order in ('global', 'reranked'):
        assert recall[order]['1'] is not None
        assert recall[order]['5'] is None


def test_settings_of_the_recognition_have_no_effect(drive, ours, tmp_path, capsys):
    assert judge(drive, ours / 'run', tmp_path / 'x.json', '--rerank', '3') == 2
    assert '--rerank has no effect' in capsys.readouterr().err


def test_existing_predictions_stay(drive, ours, capsys):
    command = ['evaluate', '--map', str(drive.map), '--queries', str(drive.queries),
               '--without-ground-truth', '--predictions', str(ours / 'run')]  # fmt: skip
    assert main(command) == 2
    assert 'exists already' in capsys.readouterr().err
