"""Evaluation from the command line: offline, from positions, and from a recording."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shlex
import shutil
from dataclasses import replace

import cv2
import pytest
from helpers.browser import figures_of, loaded_by, opened, visible_text
from helpers.recordings import write_recording
from rosbags.rosbag2 import StoragePlugin

from fol_vpr.cli.main import main
from fol_vpr.config import RecognizerConfig
from fol_vpr.evaluation.results import read_result
from fol_vpr.recognizer import PlaceRecognizer, network_config_from_map
from fol_vpr.sources import open_source

RATE = 5.0


@pytest.fixture(scope='module')
def offline(drive, tmp_path_factory):
    """JSON and per-query CSV of an offline run."""
    folder = tmp_path_factory.mktemp('offline')
    command = ['evaluate', '--map', str(drive.map), '--queries', str(drive.queries),
               '--ground-truth', str(drive.ground_truth), '--json', str(folder / 'out.json'),
               '--per-query', str(folder / 'out.csv')]  # fmt: skip
    assert main(command) == 0
    with open(folder / 'out.csv', newline='') as file:
        return json.loads((folder / 'out.json').read_text()), list(csv.DictReader(file))


@pytest.fixture(scope='module')
def played(drive, tmp_path_factory):
    """The queries as a bag, and what the recogniser says of each."""
    bag = tmp_path_factory.mktemp('played') / 'queries'
    command = ['bag', 'from-images', str(drive.queries), '--output', str(bag)]
    assert main([*command, '--rate', str(RATE)]) == 0
    recognizer = PlaceRecognizer(RecognizerConfig(network_config_from_map(drive.map)))
    recognizer.load_map(drive.map)
    answers = [recognizer.recognize(frame) for _, frame in open_source(bag).frames()]
    map_id = recognizer.map_info.map_id
    recognizer.close()
    return bag, map_id, answers


def test_json_has_what_others_script_against(offline):
    report, _ = offline
    assert (report['queries'], report['queries_without_positive']) == (8, 1)
    for stage in ('global', 'reranked'):
        assert list(report['recall'][stage]) == ['1', '5', '10']
        shares = list(report['recall'][stage].values())
        assert shares == sorted(shares)
        assert shares[0] >= 6 / 7
        low, high = report['recall_interval_95'][stage]['1']
        assert low < report['recall'][stage]['1'] <= high
    assert (report['weights'], report['trained']) == ('untrained-vits14', False)
    assert {'decode', 'forward', 'search', 'rerank', 'total'} <= set(report['latency_ms'])
    assert (report['answered'], report['unanswered'], report['rerank']) == (8, 0, 20)


def test_recall_agrees_with_the_lines_of_each_query(offline):
    report, rows = offline
    assert [int(row['query_index']) for row in rows] == list(range(8))
    counted = [row for row in rows if int(row['positives'])]
    for column, stage in (('global_rank', 'global'), ('reranked_rank', 'reranked')):
        firsts = sum(row[column] == '0' for row in counted)
        assert report['recall'][stage]['1'] == firsts / len(counted)


def test_untrained_weights_are_named_loudly(drive, capsys):
    command = ['evaluate', '--map', str(drive.map), '--queries', str(drive.queries),
               '--ground-truth', str(drive.ground_truth)]  # fmt: skip
    assert main([*command, '--limit', '2', '--rerank', '0']) == 0
    table = capsys.readouterr().out
    assert 'UNTRAINED WEIGHTS' in table
    assert '2 queries with a positive of 2' in table


@pytest.mark.parametrize('storage', list(StoragePlugin))
def test_a_recording_gives_what_the_offline_run_gives(
    drive, offline, played, tmp_path, storage, monkeypatch, capsys
):
    monkeypatch.setattr(PlaceRecognizer, '__init__', None)  # needs no network
    bag, map_id, answers = played
    recording, out = tmp_path / 'recording', tmp_path / 'out.json'
    # Two that the node dropped, and the rest in another order than the queries'.
    kept = [a for i, a in enumerate(answers) if i not in (0, 5)]
    write_recording(recording, map_id, reversed(kept), storage=storage)
    command = ['evaluate', '--map', str(drive.map), '--queries', str(bag),
               '--recording', str(recording), '--ground-truth', str(drive.ground_truth),
               '--json', str(out), '--picture', str(tmp_path / 'out.png')]  # fmt: skip
    assert main(command) == 0
    report = json.loads(out.read_text())
    assert (report['answered'], report['unanswered'], report['unmatched_answers']) == (6, 2, 0)
    assert report['recall']['global'] == {'1': None, '5': None, '10': None}
    assert (report['weights'], report['trained']) == ('untrained-vits14', False)
    missed = [row['reranked_rank'] for row in offline[1] if row['query_index'] in ('0', '5')]
    lost = sum(rank == '0' for rank in missed)
    expected = offline[0]['recall']['reranked']['1'] - lost / 7
    assert report['recall']['reranked']['1'] == pytest.approx(expected)
    latency = {part: values['p50'] for part, values in report['latency_ms'].items()}
    assert latency == {'processing': 250, 'waiting': 500, 'total': 750}
    assert report['causes']['UNKNOWN'] == {'UNTRAINED': 6}
    table = capsys.readouterr().out
    rows = [line for line in table.splitlines() if line.startswith(('processing', 'waiting'))]
    assert [' '.join(row.split()) for row in rows] == [
        'processing one image 250.0 250.0 250.0 250.0',
        'waiting for earlier images 500.0 500.0 500.0 500.0',
    ]
    assert 'UNKNOWN 6, because of\n  6  untrained weights (query ' in table
    assert 'what helps: `fol_vpr weights fetch' in table
    assert cv2.imread(str(tmp_path / 'out.png')) is not None


def test_pictures_of_answers(drive, tmp_path, capsys):
    command = ['evaluate', '--map', str(drive.map), '--queries', str(drive.queries),
               '--ground-truth', str(drive.ground_truth), '--limit', '3']  # fmt: skip
    folder = tmp_path / 'pictures'
    assert main([*command, '--pictures', str(folder), '--pictures-of', 'all']) == 0
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f'query_{i:06d}_unknown_right.jpg' for i in range(3)]
    assert cv2.imread(str(folder / names[1])).shape[1] == 1600
    assert all(path.stat().st_size < 500_000 for path in folder.iterdir())
    assert 'pictures: 3 of all answers' in capsys.readouterr().err
    assert main([*command, '--pictures', str(tmp_path / 'wrong')]) == 0
    assert list((tmp_path / 'wrong').iterdir()) == []
    assert 'pictures: 0 of wrong answers' in capsys.readouterr().err


def test_pictures_of_recorded_answers_need_no_network(drive, played, tmp_path, monkeypatch):
    monkeypatch.setattr(PlaceRecognizer, '__init__', None)
    bag, map_id, answers = played
    write_recording(tmp_path / 'recording', map_id, answers)
    command = ['evaluate', '--map', str(drive.map), '--queries', str(bag), '--recording',
               str(tmp_path / 'recording'), '--ground-truth', str(drive.ground_truth)]  # fmt: skip
    folder = tmp_path / 'pictures'
    assert main([*command, '--pictures', str(folder), '--pictures-of', 'undecided']) == 0
    assert len(list(folder.iterdir())) == 8


@pytest.mark.parametrize(
    ('options', 'says'),
    [
        (['--pictures-of', 'all'], '--pictures-of needs --pictures DIR'),
        (
            ['--pictures', 'DIR', '--pictures-of', 'wrong', '--without-ground-truth'],
            'ground truth',
        ),
        (['--pictures', '/nowhere/at/all'], 'parent folder exists'),
    ],
)
def test_pictures_that_cannot_be(drive, options, says, tmp_path, capsys):
    command = ['evaluate', '--map', str(drive.map), '--queries', str(drive.queries)]
    given = [str(tmp_path) if word == 'DIR' else word for word in options]
    truth = (
        [] if '--without-ground-truth' in given else ['--ground-truth', str(drive.ground_truth)]
    )
    assert main([*command, *truth, *given]) == 2
    assert says in capsys.readouterr().err


def test_recall_beyond_what_the_node_published_is_not_made_up(drive, played, tmp_path, capsys):
    bag, map_id, answers = played
    recording, out = tmp_path / 'recording', tmp_path / 'out.json'
    short = [replace(answer, hypotheses=answer.hypotheses[:4]) for answer in answers]
    write_recording(recording, map_id, short)
    command = ['evaluate', '--map', str(drive.map), '--queries', str(bag), '--recording',
               str(recording), '--ground-truth', str(drive.ground_truth)]  # fmt: skip
    assert main([*command, '--json', str(out)]) == 0
    report = json.loads(out.read_text())
    recall = report['recall']['reranked']
    assert recall['1'] >= 6 / 7
    assert (recall['5'], recall['10']) == (None, None)
    assert report['recall_interval_95']['reranked']['5'] is None
    assert 'not recorded' in capsys.readouterr().out


def test_recordings_that_do_not_belong_are_refused(drive, played, tmp_path, capsys):
    bag, map_id, answers = played
    base = ['evaluate', '--map', str(drive.map), '--ground-truth', str(drive.ground_truth)]

    def refused(name: str, queries, *options: str) -> str:
        recording = str(tmp_path / name)
        assert main([*base, '--queries', str(queries), '--recording', recording, *options]) == 2
        return capsys.readouterr().err

    write_recording(tmp_path / 'other_map', 'another', answers)
    assert 'recorded with the map another' in refused('other_map', bag)
    write_recording(tmp_path / 'twice', map_id, [*answers, answers[3]])
    assert 'answers query 3' in refused('twice', bag)
    write_recording(tmp_path / 'sound', map_id, answers)
    same = refused('sound', drive.queries)
    assert 'carry the same stamp' in same and '--stamps reception' in same
    assert 'found 0' in refused('sound', bag, '--recording-topic', '/elsewhere')
    assert '--limit has no effect' in refused('sound', bag, '--limit', '3')
    assert '--rerank has no effect' in refused('sound', bag, '--rerank', '0')
    assert 'found 0' in refused(str(bag), bag)
    write_recording(tmp_path / 'zero', map_id, [replace(each, stamp_ns=0) for each in answers])
    unstamped = refused('zero', bag)
    assert 'carry the stamp 0' in unstamped and 'bag play --stamps reception' in unstamped
    main(['bag', 'from-images', str(drive.queries), '--output', str(tmp_path / 'late'),
          '--rate', str(RATE / 1.37)])  # fmt: skip
    shutil.rmtree(tmp_path / 'twice')
    write_recording(tmp_path / 'twice', map_id, answers[1:])
    assert 'carries the stamp' in refused('twice', tmp_path / 'late')


@pytest.fixture(scope='module')
def located(drive, tmp_path_factory):
    """UTM file names on both sides, each query 8 m from its reference; a map of the latter."""
    root = tmp_path_factory.mktemp('located')
    for source, offset in ((drive.references, 0), (drive.queries, 8)):
        folder = root / source.name
        folder.mkdir()
        for i, image in enumerate(sorted(source.iterdir())[:4]):
            name = f'@{500_000 + 30 * i + offset}.00@4000000.00@33@N@.jpg'
            shutil.copy(image, folder / name)
    build = ['map', 'build', '--images', str(root / 'ref'), '--output', str(root / 'm.folmap')]
    assert main([*build, '--input-size', '126', '--weights', 'untrained-vits14']) == 0
    return root


def test_positions_are_a_ground_truth(drive, located, tmp_path, capsys):
    out = tmp_path / 'out.json'
    evaluate = [
        'evaluate',
        '--map',
        str(located / 'm.folmap'),
        '--json',
        str(out),
        '--rerank',
        '0',
    ]
    queries = ['--queries', str(located / 'query')]
    assert main([*evaluate, *queries]) == 0
    assert json.loads(out.read_text())['queries_without_positive'] == 0
    assert main([*evaluate, *queries, '--positive-radius', '7', '--limit', '3']) == 0
    report = json.loads(out.read_text())
    assert (report['queries'], report['queries_without_positive']) == (3, 3)
    capsys.readouterr()
    assert main(['evaluate', '--map', str(drive.map), '--queries', str(drive.queries)]) == 2
    assert '--ground-truth' in capsys.readouterr().err


def test_a_query_that_cannot_be_read_is_a_miss_and_costs_nothing_else(located, tmp_path, capsys):
    queries, out = tmp_path / 'query', tmp_path / 'out.json'
    shutil.copytree(located / 'query', queries)
    victims = sorted(queries.iterdir())[2:]
    for victim in victims:
        victim.write_bytes(victim.read_bytes()[:2000])
    evaluate = ['evaluate', '--map', str(located / 'm.folmap'), '--queries', str(queries),
                '--json', str(out), '--rerank', '0']  # fmt: skip
    assert main(evaluate) == 2
    errors = capsys.readouterr().err
    assert '2 of 4 queries cannot be read' in errors
    assert victims[0].name in errors.split('error: ')[1]
    report = json.loads(out.read_text())
    assert (report['queries'], report['queries_without_positive']) == (4, 0)
    assert (report['answered'], report['unanswered']) == (2, 2)
    assert report['recall']['global']['10'] == 0.5
    # What lies behind the limit is not even looked at.
    assert main([*evaluate, '--skip-bad', '--limit', '3']) == 0
    errors = capsys.readouterr().err
    assert victims[0].name in errors
    assert victims[1].name not in errors


def test_queries_without_positions_are_refused_before_they_are_run(drive, located, monkeypatch):
    monkeypatch.setattr(PlaceRecognizer, '__init__', None)
    assert main(['evaluate', '--map', str(located / 'm.folmap'),
                 '--queries', str(drive.queries)]) == 2  # fmt: skip


def test_odometry_of_another_drive_is_no_ground_truth(drive, located, tmp_path, capsys):
    poses = tmp_path / 'poses.csv'
    poses.write_text('timestamp,x,y\n' + ''.join(f'{t},{500_000 + t},4000000\n' for t in range(9)))
    bag = ['bag', 'from-images', str(drive.queries), '--rate', '2', '--poses', str(poses),
           '--pose-type', 'Odometry', '--map-frame', 'odom']  # fmt: skip
    assert main([*bag, '--output', str(tmp_path / 'bag')]) == 0
    evaluate = ['evaluate', '--map', str(located / 'm.folmap'), '--queries', str(tmp_path / 'bag'),
                '--pose-topic', '/pose', '--rerank', '0', '--limit', '1']  # fmt: skip
    assert main(evaluate) == 2
    assert 'whose origin is the start of that drive' in capsys.readouterr().err
    assert main([*evaluate, '--frame-id', 'utm']) == 0


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--limit', '0'], 'expected at least 1'),
        (['--candidates', '5'], 'Recall@10 needs as many'),
        (['--recording-topic', '/t'], 'needs --recording'),
        (['--json', '/nowhere/out.json'], '/nowhere/out.json cannot be written'),
        (['--weights', 'untrained-vitb14'], 'untrained-vits14'),
    ],
)
def test_what_cannot_work_is_said_at_once(drive, options, message, capsys):
    base = ['evaluate', '--map', str(drive.map), '--queries', str(drive.queries)]
    assert main([*base, '--ground-truth', str(drive.ground_truth), *options]) == 2
    assert message in capsys.readouterr().err


def test_photographs_of_two_walks(data, tmp_path):
    """Every 20th of gardens_point: even random features find more than one place in ten."""
    walk = data / 'gardens_point'
    for name in ('day_right', 'day_left'):
        (tmp_path / name).mkdir()
        for i in range(0, 200, 20):
            image = walk / name / f'Image{i:03d}.jpg'
            (tmp_path / name / image.name).symlink_to(image)
    truth, out = tmp_path / 'truth.csv', tmp_path / 'out.json'
    lines = [f'{i},{i}' for i in range(10)]
    truth.write_text('query_index,ref_indices\n' + '\n'.join(lines) + '\n')
    target = tmp_path / 'm.folmap'
    build = ['map', 'build', '--images', str(tmp_path / 'day_right'), '--output', str(target)]
    assert main([*build, '--input-size', '126', '--weights', 'untrained-vits14']) == 0
    evaluate = ['evaluate', '--map', str(target), '--queries', str(tmp_path / 'day_left')]
    options = ['--ground-truth', str(truth), '--json', str(out), '--rerank', '5']
    assert main([*evaluate, *options]) == 0
    recall = json.loads(out.read_text())['recall']
    assert recall['global']['1'] >= 0.5
    assert recall['reranked']['1'] >= 0.5
    assert recall['global']['10'] == recall['reranked']['10'] == 1


def test_a_report_is_one_page_that_a_browser_draws(drive, tmp_path):
    page, document = tmp_path / 'report.html', tmp_path / 'out.json'
    command = ['evaluate', '--map', str(drive.map), '--queries', str(drive.queries),
               '--ground-truth', str(drive.ground_truth), '--report', str(page),
               '--json', str(document)]  # fmt: skip
    assert main(command) == 0
    html = page.read_text()
    assert loaded_by(html) == []
    text = visible_text(html)
    result = read_result(document)
    share = result.evaluation.recall_reranked()[1]
    assert f'{100 * share.value:.1f} % Recall@1' in text
    assert shlex.join(['fol_vpr', *command]) in text
    assert result.map_file.sha256 == hashlib.sha256(drive.map.read_bytes()).hexdigest()
    assert result.map_file.sha256 in text
    assert 'UNTRAINED WEIGHTS' in text
    details = figures_of(html)[0]['details']
    assert sorted(map(int, details)) == list(range(8))
    assert len(details['0']['pictures']) >= 2
    assert 'data-drawn="yes"' in opened(page, tmp_path)


def test_a_report_of_a_recording_shows_waiting_and_what_was_dropped(drive, played, tmp_path):
    bag, map_id, answers = played
    recording, page = tmp_path / 'recording', tmp_path / 'report.html'
    write_recording(recording, map_id, answers[2:])
    command = ['evaluate', '--map', str(drive.map), '--queries', str(bag),
               '--without-ground-truth', '--recording', str(recording),
               '--report', str(page)]  # fmt: skip
    assert main(command) == 0
    text = visible_text(page.read_text())
    assert '2 of 8 queries got no answer' in text
    assert 'waiting for earlier images 500.0' in text
    assert not re.findall(r'(?i)\b(recall\S*|positive\S*|wrong|mistakes?)\b', text)
