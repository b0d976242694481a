"""One word from the map to the evaluation, and the criterion in all that is written."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import pytest
from helpers.scenes import write_folder

from fol_vpr.cli.main import main

COUNT = 24


@pytest.fixture(scope='module')
def walk(tmp_path_factory) -> Path:
    """Two passes of 24 scenes 0.4 m apart, and a map of the first with the scale room."""
    root = tmp_path_factory.mktemp('walk')
    for name, shift in (('ref', 0), ('query', 20)):
        folder = write_folder(root / name, COUNT, shift=shift)
        rows = [f'{path.name},{0.4 * i},0,0' for i, path in enumerate(sorted(folder.iterdir()))]
        (root / f'{name}.csv').write_text('file,x,y,z\n' + '\n'.join(rows) + '\n')
    return root


def build(walk: Path, target: Path, *options: str) -> int:
    return main(
        ['map', 'build', '--images', str(walk / 'ref'), '--positions', str(walk / 'ref.csv'),
         '--output', str(target), '--input-size', '126', *options]
    )  # fmt: skip


@pytest.fixture(scope='module')
def room(walk) -> Path:
    assert build(walk, walk / 'room.folmap', '--scale', 'room') == 0
    return walk / 'room.folmap'


@pytest.fixture(scope='module')
def calibrated(walk, room) -> Path:
    assert calibrate(walk, room) == 0
    return room


def calibrate(walk: Path, path: Path, *options: str) -> int:
    return main(
        ['calibrate', '--map', str(path), '--images', str(walk / 'query'),
         '--positions', str(walk / 'query.csv'), *options]
    )  # fmt: skip


def report(walk: Path, path: Path, *options: str) -> dict:
    out = walk / 'report.json'
    assert main(
        ['evaluate', '--map', str(path), '--queries', str(walk / 'query'),
         '--positions', str(walk / 'query.csv'), '--json', str(out),
         '--per-query', str(walk / 'each.csv'), '--limit', '3', *options]
    ) == 0  # fmt: skip
    return json.loads(out.read_text())


def test_the_scale_of_the_map_decides_what_is_right(walk, calibrated, capsys):
    said = report(walk, calibrated)
    expected = 'within 0.5 m and 180 degrees (as the map was calibrated)'
    assert said['ground_truth'] == expected and said['scale'] == 'room'
    assert said['warnings'] == []
    assert f'right: {expected}' in capsys.readouterr().out
    rows = list(csv.DictReader((walk / 'each.csv').open()))
    assert [row['right_is'] for row in rows] == [expected] * 3
    assert [row['positives'] for row in rows] == ['2', '3', '3']


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (['--scale', 'building'], 'within 5 m and 180 degrees (--scale building)'),
        (['--scale', 'building', '--positive-radius', '1'], 'within 1 m and 180 degrees (given)'),
    ],
)
def test_what_is_given_comes_first_and_is_named(walk, calibrated, options, words):
    assert report(walk, calibrated, *options)['ground_truth'] == words


def test_where_most_of_the_map_is_right_a_warning_says_so(walk, calibrated, capsys):
    said = report(walk, calibrated, '--positive-radius', '25')
    (warning,) = said['warnings']
    assert 'for 3 of 3 queries this is more than half of the 24 references' in warning
    assert '100%' in warning and '--positive-radius' in warning
    assert f'WARNING: {warning}' in capsys.readouterr().out


def test_the_calibration_was_made_with_the_settings_of_the_scale(walk, calibrated, capsys):
    assert main(['map', 'info', str(calibrated), '--json']) == 0
    found = json.loads(capsys.readouterr().out)
    assert found['scale'] == 'room'
    made = found['calibration']
    assert made['settings']['verification.place_radius'] == 0.3
    assert made['settings']['verification.speed'] == 0.5
    assert made['provenance']['criterion'] == {'positive_radius': 0.5, 'positive_angle': 180}
    assert made['provenance']['ground_truth'] == (
        'within 0.5 m and 180 degrees (scale room of the map)'
    )


def test_a_scale_that_the_calibration_does_not_have_is_told(walk, calibrated, capsys):
    image = str(next((walk / 'query').iterdir()))
    assert main(['query', image, '--map', str(calibrated), '--scale', 'street']) == 0
    said = capsys.readouterr().err
    assert 'verification.place_radius 10 instead of 0.3' in said and '(scale street)' in said


def test_a_small_map_without_a_scale_is_asked_for_one(walk, tmp_path, capsys):
    path = tmp_path / 'plain.folmap'
    assert build(walk, path) == 0
    said = capsys.readouterr().err
    assert 'the whole map is 9.2 m across: --scale room?' in said
    # With lengths of a street no calibration can come of it, which is known before any image is
    # looked up.
    assert calibrate(walk, path) == 2
    said = capsys.readouterr().err
    assert 'an image shows mostly 24 of the 24 references' in said and '--scale' in said
    assert main(['map', 'save', str(path), '--scale', 'room']) == 0
    assert main(['map', 'info', str(path)]) == 0
    said = capsys.readouterr()
    assert 'room; 9.2 m across' in said.out and '--scale room?' not in said.err


def test_a_reliability_diagram_and_a_table_name_what_is_right(walk, room, tmp_path, capsys):
    picture = tmp_path / 'r.png'
    assert calibrate(walk, room, '--dry-run', '--picture', str(picture)) == 0
    assert 'right: within 0.5 m' in capsys.readouterr().out
    assert cv2.imread(str(picture)) is not None
