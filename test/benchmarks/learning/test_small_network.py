"""The table of what a small network is measured on."""

from __future__ import annotations

import json

import pytest

pytest.importorskip('pytorch_lightning', reason='training/requirements.txt is not installed')

from helpers.training.datasets import grouped

from benchmarks.learning import small_network


def test_towns_at_night_are_counted_and_what_is_not_there_is_left_out(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv('TOWN', str(tmp_path))
    monkeypatch.delenv('FOL_VPR_SHARED', raising=False)
    grouped(tmp_path / 'night1' / 'places', 4, images=3)
    output = tmp_path / 'figures.json'
    words = ['--threads', '1', '--drives', str(tmp_path / 'none'), '--json', str(output)]
    assert small_network.main(words) == 0
    rows = json.loads(output.read_text())['fol_tiny']
    assert [row['what'] for row in rows] == ['first, global', 'first, re-ranked']
    assert {(row['set'], row['images']) for row in rows} == {('town 9301, day → night', 8)}
    assert all(row['right'] + row['wrong'] == 8 and row['right'] >= 6 for row in rows)
    assert '| town 9301, day → night | 8 | first, re-ranked | ' in capsys.readouterr().out


def test_the_desk_is_two_halves_of_one_drive(shared, tmp_path):
    data = shared / 'data' / 'tum_fr1_desk'
    first, second = (small_network._half_of_desk(data, tmp_path, half) for half in (0, 1))
    assert (len(first), len(second)) == (153, 154)
    captures = [*first.captures(), *second.captures()]
    stamps = [capture.stamp_ns for capture in captures]
    assert stamps == sorted(stamps) and all(capture.pose is not None for capture in captures)
