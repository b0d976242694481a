"""Data sets on the command line: maps of them, and queries with their own ground truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from helpers.data_sets import layouts
from helpers.data_sets.object_arrays import write_object_array

from fol_vpr.cli.common.drive import DATASETS
from fol_vpr.cli.main import main
from fol_vpr.database import MapReader
from fol_vpr.sources import DATASETS as READERS

NETWORK = ('--input-size', '126', '--weights', 'untrained-vits14')


def build(folder: Path, name: str, target: Path, *options: str) -> Path:
    command = ['map', 'build', '--dataset', name, str(folder), '--output', str(target)]
    assert main([*command, *NETWORK, *options]) == 0
    return target


def evaluate(folder: Path, name: str, made: Path, *options: str) -> dict:
    target = made.with_suffix('.json')
    command = ['evaluate', '--map', str(made), '--dataset', name, str(folder)]
    assert main([*command, '--rerank', '0', '--json', str(target), *options]) == 0
    return dict(json.loads(target.read_text()))


def test_help_names_the_data_sets_there_are():
    assert set(DATASETS) == set(READERS)


def test_a_drive_becomes_a_map_of_keyframes_with_poses(tmp_path, capsys):
    sequence = layouts.kitti(tmp_path / 'dataset', count=6)
    made = build(sequence, 'kitti', tmp_path / 'kitti.folmap', '--keyframe-distance', '1.5')
    assert 'KITTI odometry: 6 images' in capsys.readouterr().err
    with MapReader(made) as reader:
        places = reader.places
    # Each is 1 m from the last, and the map wants 1.5 m or a turn.
    assert [round(place.pose.position[0]) for place in places] == [0, 2, 4, 5]
    assert [place.session_id for place in places] == ['00'] * 4
    report = evaluate(sequence, 'kitti', made, '--positive-radius', '1.5')
    assert report['queries_without_positive'] == 0
    # Its frame is that of the drive: poses of another one say nothing.
    other = layouts.kitti(tmp_path / 'dataset', number='01')
    command = ['evaluate', '--map', str(made), '--dataset', 'kitti', str(other)]
    assert main(command) == 2
    assert 'whose origin is the start of that drive' in capsys.readouterr().err


def test_seasons_are_compared_by_number(tmp_path, capsys):
    summer = layouts.nordland(tmp_path / 'nordland', 'summer', [1, 2, 3, 10, 11])
    winter = layouts.nordland(tmp_path / 'nordland', 'winter', [2, 3, 10, 30])
    made = build(summer, 'nordland', tmp_path / 'summer.folmap')
    report = evaluate(winter, 'nordland', made, '--index-tolerance', '0')
    # The same pictures have the same numbers; 30 is not in the map.
    assert report['recall']['global']['1'] == 1
    assert report['queries_without_positive'] == 1
    assert report['ground_truth'] == 'numbers of images within 0'
    capsys.readouterr()
    assert main(['evaluate', '--map', str(made), '--dataset', 'nordland', str(winter)]) == 2
    assert '--index-tolerance N where images of equal number' in capsys.readouterr().err


def test_vpr_bench_is_evaluated_by_its_own_file(tmp_path):
    rows = np.empty((3, 2), dtype=object)
    for number in range(3):
        rows[number] = [number, [number, number + 1]]
        for part in ('query', 'ref'):
            layouts.image(tmp_path / part / f'{number * 5}.jpg', number)
    truth = write_object_array(tmp_path / 'ground_truth_new.npy', rows)
    made = build(tmp_path / 'ref', 'vpr_bench', tmp_path / 'ref.folmap')
    report = evaluate(tmp_path / 'query', 'vpr_bench', made)
    assert report['recall']['global']['1'] == 1
    assert report['ground_truth'] == f'as {truth} says'


def test_what_does_not_go_together(tmp_path, capsys):
    folder = layouts.tum(tmp_path / 'fr1')
    command = ['map', 'build', '--dataset', 'tum', str(folder), '--output', 'm.folmap']
    for options, said in (
        (['--positions', 'p.csv'], 'tum has no topics, and its positions'),
        (['--image-topic', '/image'], 'tum has no topics'),
    ):
        assert main([*command, *options]) == 2
        assert said in capsys.readouterr().err
