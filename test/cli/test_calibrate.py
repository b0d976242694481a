"""Calibration from the command line, with the shipped network on made-up places."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import cv2
import pytest
from helpers.recordings import write_recording
from helpers.scenes import write_folder

from fol_vpr.calibration import collect
from fol_vpr.cli.main import main
from fol_vpr.config import RecognizerConfig, settings_of
from fol_vpr.database import MapReader
from fol_vpr.datatypes import LocalizationState, Recognition
from fol_vpr.decision import calibration_from_rows
from fol_vpr.recognizer import PlaceRecognizer, network_config_from_map
from fol_vpr.sources import open_source

PLACES = 30


class Walk(NamedTuple):
    """A map, the drive that it was made of, another one, and what is right."""

    references: Path
    map: Path
    queries: Path
    ground_truth: Path


@pytest.fixture(scope='module')
def walk(tmp_path_factory) -> Walk:
    root = tmp_path_factory.mktemp('walk')
    made = Walk(root / 'ref', root / 'm.folmap', root / 'query', root / 'truth.csv')
    write_folder(made.references, PLACES)
    write_folder(made.queries, PLACES, shift=20)
    lines = [f'{i},{i}' for i in range(PLACES)]
    made.ground_truth.write_text('query_index,ref_indices\n' + '\n'.join(lines) + '\n')
    build = ['map', 'build', '--images', str(made.references), '--output', str(made.map)]
    assert main([*build, '--input-size', '126']) == 0
    return made


def calibrate(walk: Walk, target: Path, *options: str) -> int:
    shutil.copy(walk.map, target)
    return main(
        ['calibrate', '--map', str(target), '--images', str(walk.queries),
         '--ground-truth', str(walk.ground_truth), '--place-index-gap', '0', *options]
    )  # fmt: skip


@pytest.fixture(scope='module')
def calibrated(walk, tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp('calibrated')
    options = ['--json', str(folder / 'out.json'), '--picture', str(folder / 'out.png')]
    assert calibrate(walk, folder / 'm.folmap', *options) == 0
    return folder / 'm.folmap', folder


def test_the_map_holds_what_was_learned(walk, calibrated):
    path, folder = calibrated
    with MapReader(path) as reader, MapReader(walk.map) as before:
        assert reader.info.calibrated and not before.info.calibrated
        assert reader.info.map_id == before.info.map_id
        found = calibration_from_rows(reader.calibration(), str(path))
    assert found.provenance['images'] == PLACES
    assert found.provenance['codec'] == before.info.codec
    assert json.loads((folder / 'out.json').read_text())['provenance'] == found.provenance
    assert cv2.imread(str(folder / 'out.png')) is not None


def test_images_taken_nobody_knows_where_are_no_examples(walk):
    recognizer = PlaceRecognizer(RecognizerConfig(network_config_from_map(walk.map)))
    try:
        recognizer.load_map(walk.map)
        right = [None, frozenset([1]), frozenset(), None]
        drive = collect(recognizer, open_source(walk.queries), right, limit=4)
    finally:
        recognizer.close()
    assert [each.positives for each in drive.examples] == [{1}, set()]
    assert [each.masked is None for each in drive.examples] == [False, True]


def test_all_settings_that_the_evidence_depends_on_are_remembered(calibrated):
    """Or else a node with others goes by a calibration that does not fit, without a word."""
    with MapReader(calibrated[0]) as reader:
        found = calibration_from_rows(reader.calibration(), '')
    usual = settings_of(RecognizerConfig())
    assert found.settings == {**usual, 'verification.place_index_gap': 0}


def test_the_settings_of_the_calibration_are_taken_and_who_gives_others_is_told(
    walk, calibrated, tmp_path, capsys
):
    """`calibrate --place-index-gap 0`, then the defaults as the documentation has them."""
    path, out = str(calibrated[0]), tmp_path / 'report.json'
    ask = ['evaluate', '--map', path, '--queries', str(walk.queries), '--json', str(out)]
    ask += ['--ground-truth', str(walk.ground_truth), '--sequence', '--limit', '8']
    assert main(ask) == 0
    report = json.loads(out.read_text())
    assert not any('other settings' in each for each in report['warnings'])
    capsys.readouterr()
    assert main([*ask, '--place-index-gap', '5']) == 0
    (said,) = [each for each in json.loads(out.read_text())['warnings'] if 'other set' in each]
    assert 'verification.place_index_gap 5 instead of 0' in said
    assert f'WARNING: {said}' in capsys.readouterr().out
    image = str(next(walk.queries.iterdir()))
    assert main(['query', image, '--map', path, '--json']) == 0
    assert 'other settings' not in capsys.readouterr().out
    assert main(['query', image, '--map', path, '--rerank', '3', '--json']) == 0
    said = capsys.readouterr()
    assert 'retrieval.rerank 3 instead of 20' in said.err
    assert any('retrieval.rerank 3' in each for each in json.loads(said.out)['warnings'])


def test_how_good_it_is_and_what_counts_as_right_is_said(walk, calibrated, capsys):
    path = str(calibrated[0])
    assert main(['map', 'info', path]) == 0
    said = capsys.readouterr().out
    assert 'expected calibration error' in said and 'place_index_gap 0' in said
    assert f'right: as {walk.ground_truth} says' in said
    assert main(['map', 'info', path, '--json']) == 0
    found = json.loads(capsys.readouterr().out)
    assert found['calibration']['quality'] in ('good', 'fair', 'poor')
    assert found['calibration']['settings']['verification.place_index_gap'] == 0
    drive = found['calibration']['provenance']['conditions'][0]
    assert drive['odometry'] == drive['camera'] == 0


def test_a_dry_run_shows_it_and_leaves_the_map_alone(walk, tmp_path, capsys):
    path = tmp_path / 'm.folmap'
    assert calibrate(walk, path, '--dry-run') == 0
    said = capsys.readouterr().out
    for words in ('inlier_ratio', 'expected calibration error', 'is unchanged', '#', 'right: as'):
        assert words in said
    assert path.read_bytes() == walk.map.read_bytes()


def test_the_drive_is_then_judged_by_probabilities(walk, calibrated, tmp_path, capsys):
    out = tmp_path / 'out.json'
    evaluate = ['evaluate', '--queries', str(walk.queries), '--ground-truth',
                str(walk.ground_truth), '--json', str(out), '--map']  # fmt: skip
    agreement = ['--place-index-gap', '0']
    assert main([*evaluate, str(calibrated[0]), '--sequence', *agreement]) == 0
    said = json.loads(out.read_text())['decisions']
    assert said['localized_right'] > PLACES / 2 and said['localized_wrong'] == 0
    assert said['calibration_error'] is not None
    assert 'LOCALIZED' in capsys.readouterr().out
    assert main([*evaluate, str(walk.map), '--sequence', *agreement]) == 0
    assert json.loads(out.read_text())['decisions']['calibration_error'] is None
    assert 'uncalibrated' in capsys.readouterr().out
    assert main([*evaluate, str(walk.map)]) == 0
    assert json.loads(out.read_text())['decisions'] is None


def test_without_a_ground_truth_nothing_is_called_right_or_wrong(
    walk, calibrated, tmp_path, capsys
):
    out = tmp_path / 'out.json'
    command = ['evaluate', '--map', str(calibrated[0]), '--queries', str(walk.queries),
               '--without-ground-truth', '--sequence', '--place-index-gap', '0',
               '--speed', '2', '--json', str(out)]  # fmt: skip
    assert main(command) == 0
    said = json.loads(out.read_text())['decisions']
    assert said['localized_unjudged'] > PLACES / 2
    assert said['localized_right'] == said['localized_wrong'] == 0
    assert said['not_in_map_right'] == said['not_in_map_wrong'] == 0
    assert said['calibration_error'] is None
    text = capsys.readouterr().out
    assert f'LOCALIZED {said["localized_unjudged"]};' in text and 'uncalibrated' not in text
    assert 'right' not in text and 'wrong' not in text


def test_the_report_on_a_recording_says_that_the_map_is_calibrated(walk, calibrated, tmp_path):
    bag, out = tmp_path / 'bag', tmp_path / 'out.json'
    assert (
        main(['bag', 'from-images', str(walk.queries), '--output', str(bag), '--rate', '5']) == 0
    )
    with MapReader(calibrated[0]) as reader:
        map_id = reader.info.map_id
    stamps = [capture.stamp_ns for capture in open_source(bag).captures()]
    said = [Recognition(stamp, '', LocalizationState.UNKNOWN, ()) for stamp in stamps]
    write_recording(tmp_path / 'said', map_id, said)
    command = ['evaluate', '--map', str(calibrated[0]), '--queries', str(bag), '--recording',
               str(tmp_path / 'said'), '--without-ground-truth', '--json', str(out)]  # fmt: skip
    assert main(command) == 0
    report = json.loads(out.read_text())
    assert report['calibrated'] and report['decisions']['unknown'] == PLACES


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ([], 'no drive to calibrate with'),
        (['--images', 'A', '--images', 'B', '--ground-truth', 'T'], 'once for each'),
        (['--images', 'A', '--positions', 'P', '--positions', 'Q'], 'once for each'),
        (['--images', 'A', '--limit', '0'], 'expected at least 1'),
        (['--images', '.', '--camera', '/nowhere/c.yaml'], '/nowhere/c.yaml'),
        (['--images', 'A', '--json', '/nowhere/out.json'], '/nowhere/out.json'),
    ],
)
def test_what_cannot_work_is_said_at_once(walk, options, words, capsys):
    assert main(['calibrate', '--map', str(walk.map), *options]) == 2
    assert words in capsys.readouterr().err


def test_too_short_a_drive_is_refused_and_the_map_stays(walk, tmp_path, capsys):
    path = tmp_path / 'm.folmap'
    assert calibrate(walk, path, '--limit', '10') == 2
    assert 'at least 20 are needed' in capsys.readouterr().err
    assert path.read_bytes() == walk.map.read_bytes()


def test_a_map_of_untrained_weights_is_refused(drive, capsys):
    command = ['calibrate', '--map', str(drive.map), '--images', str(drive.queries)]
    assert main([*command, '--ground-truth', str(drive.ground_truth)]) == 2
    assert 'untrained weights' in capsys.readouterr().err


def test_the_drive_that_the_map_was_built_from_is_refused(walk, tmp_path, capsys):
    command = ['calibrate', '--map', str(walk.map), '--ground-truth', str(walk.ground_truth)]
    assert main([*command, '--images', str(walk.references)]) == 2
    said = capsys.readouterr().err
    assert 'was built from this drive: 30 of the 30 places' in said and 'another drive' in said


def test_the_recording_that_the_map_was_built_from_is_refused(walk, tmp_path, capsys):
    """Also where it was moved; another one of its name is not, though both count from 0."""
    times = tmp_path / 'times.csv'
    rows = [f'{path.name},{1_700_000_000 + i}' for i, path in enumerate(images(walk))]
    times.write_text('image,timestamp\n' + '\n'.join(rows) + '\n')
    for clock in (['--rate', '1'], ['--stamps', str(times)]):
        root = tmp_path / clock[0]
        built, elsewhere = root / 'a' / 'drive', root / 'b' / 'drive'
        built.parent.mkdir(parents=True)
        made = root / 'm.folmap'
        bag = ['bag', 'from-images', str(walk.references), '--output', str(built)]
        assert main([*bag, *clock]) == 0
        assert main(['map', 'build', '--bag', str(built), '--output', str(made),
                     '--input-size', '126']) == 0  # fmt: skip
        shutil.copytree(built, elsewhere)
        command = ['calibrate', '--map', str(made), '--limit', '1', '--bag']
        assert main([*command, str(built)]) == 2
        assert 'was built from this drive' in capsys.readouterr().err
        assert main([*command, str(elsewhere)]) == 2
        refused = 'was built from this drive' in capsys.readouterr().err
        assert refused == (clock[0] == '--stamps')


def images(walk: Walk) -> list[Path]:
    return sorted(walk.references.iterdir())


def test_a_map_without_positions_names_what_calibrate_has(walk, capsys):
    assert main(['calibrate', '--map', str(walk.map), '--images', str(walk.queries)]) == 2
    said = capsys.readouterr().err
    assert '--ground-truth FILE' in said and '--without-ground-truth' not in said


def test_what_needs_a_sequence_says_so(drive, capsys):
    command = ['evaluate', '--map', str(drive.map), '--queries', str(drive.queries)]
    assert main([*command, '--probability', '0.9']) == 2
    assert '--probability needs --sequence' in capsys.readouterr().err
