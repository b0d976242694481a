"""The demo: what it says without images, what it leaves alone, and the whole of it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
from helpers.browser import visible_text
from helpers.scenes import write_folder

from fol_vpr.cli.demo.inputs import is_folder
from fol_vpr.cli.main import main
from fol_vpr.evaluation.ground_truth import read_ground_truth

PLACES = 7
DRIVEN = 24


@pytest.fixture
def passes(tmp_path):
    truth = tmp_path / 'truth.csv'
    lines = [f'{i},{i} {i + 1}' for i in range(PLACES - 1)]
    truth.write_text('query_index,ref_indices\n' + '\n'.join(lines) + '\n')
    return [
        '--images', str(write_folder(tmp_path / 'first', PLACES)),
        '--queries', str(write_folder(tmp_path / 'second', PLACES, shift=10)),
        '--ground-truth', str(truth),
    ]  # fmt: skip


def test_without_images_it_says_what_to_give(capsys):
    assert main(['demo']) == 2
    errors = capsys.readouterr().err
    for way in ('--images FOLDER --queries FOLDER', '--bag BAG', 'make demo'):
        assert way in errors


def test_without_the_built_node_it_says_how_to_build_it(monkeypatch, passes, capsys):
    monkeypatch.setenv('AMENT_PREFIX_PATH', '')
    assert main(['demo', *passes]) == 2
    assert 'make setup' in capsys.readouterr().err


def test_a_further_pass_has_to_be_known_in_the_map(passes, capsys):
    assert main(['demo', *passes, '--further', 'third']) == 2
    assert '--further needs --pose-topic' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('option', 'given', 'said'),
    [
        ('--queries', 'nowhere', 'nowhere does not exist, expected a folder of images or a bag'),
        ('--further', 'nowhere', 'nowhere does not exist, expected a folder of images or a bag'),
        ('--queries', 'empty', 'empty'),
        ('--images', 'empty', 'empty'),
        ('--ground-truth', 'nowhere', 'nowhere'),
    ],
)
def test_wrong_input_is_said_before_anything_is_emptied(
    passes, tmp_path, capsys, option, given, said
):
    (tmp_path / 'empty').mkdir()
    kept = tmp_path / 'demo' / 'report.json'
    kept.parent.mkdir()
    (kept.parent / '.made-by-fol_vpr-demo').touch()
    kept.touch()
    command = ['demo', *passes, '--pose-topic', '/pose', '--output', str(kept.parent)]
    assert main([*command, option, str(tmp_path / given)]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == '' and kept.exists()


def test_a_bag_is_not_taken_for_a_folder_of_images(tmp_path, caplog):
    bag = drive(tmp_path / 'a', 0)
    assert not is_folder(Path(bag))
    assert is_folder(tmp_path / 'a' / 'images')
    assert 'skipped' not in caplog.text


@pytest.mark.ros
def test_it_leaves_other_peoples_folders_alone(passes, tmp_path, capsys):
    (tmp_path / 'thesis').mkdir()
    (tmp_path / 'thesis' / 'chapter1.tex').write_text('...')
    assert main(['demo', *passes, '--output', str(tmp_path / 'thesis')]) == 2
    assert 'files that no demo made' in capsys.readouterr().err
    assert (tmp_path / 'thesis' / 'chapter1.tex').read_text() == '...'


@pytest.mark.ros
def test_the_whole_of_it_into_the_folder_of_an_earlier_run(passes, tmp_path, capfd):
    output = tmp_path / 'demo'
    command = ['demo', *passes, '--output', str(output), '--input-size', '126', '--every', '2']
    output.mkdir()
    (output / '.made-by-fol_vpr-demo').touch()
    (output / 'localizer.log').write_text('of the earlier run')
    (output / 'notes.txt').write_text('of somebody')
    code, said = main(command), capfd.readouterr()
    assert code == 0, said.err
    out = said.out
    assert not (output / 'localizer.log').exists() or (
        'of the earlier run' not in (output / 'localizer.log').read_text()
    )
    assert (output / 'notes.txt').read_text() == 'of somebody'
    # Every second of 7: 0, 2, 4, 6; of the positives i and i + 1 the even one is left.
    assert read_ground_truth(output / 'ground_truth.csv', 4, 4) == [{0}, {1}, {2}, set()]
    report = json.loads((output / 'report.json').read_text())
    assert (report['queries'], report['answered'], report['unmatched_answers']) == (4, 4, 0)
    assert report['recall']['reranked']['1'] == 1
    assert cv2.imread(str(output / 'answers.png')) is not None
    assert 'Right is' in visible_text((output / 'report.html').read_text())
    assert f'{output / "report.html"}\n' in out
    assert '1 of every 2 images' in said.err
    assert 'answered 4 of 4' in out
    assert 'weights fol_tiny' in out and 'UNTRAINED' not in out


@pytest.mark.ros
def test_a_further_pass_tells_what_the_scores_are_worth(tmp_path, capfd):
    """And the node is sure of places then, by the odometry too."""
    bags = [drive(tmp_path / name, shift) for name, shift in (('a', 0), ('b', 8), ('c', 16))]
    output = tmp_path / 'demo'
    command = [
        'demo', '--bag', bags[0], '--further', bags[1], '--queries', bags[2],
        '--pose-topic', '/pose', '--odom-topic', '/pose', '--positive-radius', '3',
        '--output', str(output), '--input-size', '126',
    ]  # fmt: skip
    assert main(command) == 0, capfd.readouterr().err
    report = json.loads((output / 'report.json').read_text())
    assert report['answered'] == DRIVEN
    said = report['decisions']
    assert said['calibrated'] and said['localized_right'] > 0 and said['localized_wrong'] == 0
    for picture in ('answers.png', 'reliability.png'):
        assert cv2.imread(str(output / picture)) is not None


def drive(path: Path, shift: int) -> str:
    """A bag of a drive past the places, with odometry that knows where it is in the map."""
    images = write_folder(path / 'images', DRIVEN, shift)
    poses = [f'{i / 2},{10 * i},0,0,0,0,0,1' for i in range(DRIVEN)]
    table = path / 'poses.csv'
    table.write_text('\n'.join(['timestamp,x,y,z,qx,qy,qz,qw', *poses]) + '\n')
    bag = str(path / 'bag')
    assert main(
        ['bag', 'from-images', str(images), '--output', bag, '--rate', '2',
         '--poses', str(table), '--pose-type', 'Odometry']
    ) == 0  # fmt: skip
    return bag
