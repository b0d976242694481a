"""Real runs: worktrees of git, processes that wait, and a comparison with HEAD on a tiny drive."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import scenes, source_files

from benchmarks.__main__ import main
from benchmarks.against import against, inputs
from benchmarks.against.builds import (
    ROOT,
    Build,
    BuildError,
    Worker,
    checkout,
    measured,
    working_tree,
)
from fol_vpr.config import MappingConfig, NetworkConfig
from fol_vpr.mapping import build_map
from fol_vpr.network import FeatureExtractor
from fol_vpr.sources import open_source

pytestmark = pytest.mark.skipif(not (ROOT / '.git').exists(), reason='no checkout of git')


def worktrees() -> list[str]:
    """Their folders; what is checked out in others may change meanwhile."""
    words = ['git', '-C', str(ROOT), 'worktree', 'list', '--porcelain']
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return [line for line in printed.splitlines() if line.startswith('worktree ')]


def drive(path: Path, places: int, shift: int = 0) -> Path:
    """A bag of views ten metres apart, with poses and odometry."""
    covariance = np.diag([0.01] * 6)
    sent = []
    for frame in scenes.frames(places, shift):
        stamp, position = frame.stamp_ns, frame.pose.position
        sent.append(source_files.pose(stamp, position)._replace(topic=inputs.POSES))
        sent.append(source_files.odometry(stamp, position, covariance))
        sent.append(source_files.compressed(stamp, source_files.encode(frame.image)))
    return source_files.bag(path, sent)


@pytest.fixture(scope='module')
def town(tmp_path_factory):
    folder = tmp_path_factory.mktemp('town')
    for shift, name in enumerate(inputs.DRIVES):
        drive(folder / name, 6, shift)
    extractor = FeatureExtractor(NetworkConfig())
    source = open_source(folder / 'day', pose_topic=inputs.POSES)
    build_map(source, folder / 'm.folmap', extractor, MappingConfig())
    return folder


def test_a_checkout_is_another_worktree_and_is_removed():
    before = worktrees()
    with checkout('HEAD') as build:
        assert (build.root / 'fol_vpr' / '__init__.py').is_file()
        assert build.root != ROOT
        assert f'worktree {build.root}' in worktrees()
        assert build.commit == working_tree().commit.rstrip('+')
    assert worktrees() == before
    assert not build.root.exists()


def test_a_checkout_is_removed_after_an_error():
    before = worktrees()
    with pytest.raises(KeyError), checkout('HEAD'):
        raise KeyError
    assert worktrees() == before


@pytest.mark.parametrize('reference', ['no-such-commit', '--help', 'HEAD:setup.py'])
def test_what_is_no_commit_is_refused(reference):
    with pytest.raises(BuildError, match='knows no commit'), checkout(reference):
        pass


def test_a_worker_runs_the_code_of_its_build_and_stops_while_it_waits(tmp_path):
    with checkout('HEAD') as build, Worker(build, 1, tmp_path / 'log') as worker:
        assert Path(worker.description['folder']) == build.root
        assert worker.description['threads'] == 1
        spent = worker.processor_seconds()
        time.sleep(0.3)
        assert worker.processor_seconds() == spent
        with pytest.raises(BuildError, match='open_network: WeightsError'):
            worker.ask('open_network', weights='no-such-weights')
        assert worker.ask('open_network', weights='fol_tiny')['px'] == 182


def state(process: Path) -> str:
    """The letter of a process' state, X where it is gone."""
    try:
        return process.read_text().rpartition(')')[2].split()[0]
    except OSError:
        return 'X'


def test_a_stopped_worker_ends_with_the_process_that_asks_it(tmp_path):
    code = (
        'import sys, time; from pathlib import Path; from benchmarks.against import builds; '
        'worker = builds.Worker(builds.working_tree(), 1, Path(sys.argv[1])); '
        'print(worker._process.pid, flush=True); time.sleep(600)'
    )
    words = [sys.executable, '-c', code, str(tmp_path / 'log')]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        worker = Path('/proc') / process.stdout.readline().strip() / 'stat'
        assert state(worker) == 'T'
        process.kill()
    limit = time.monotonic() + 60
    while state(worker) not in 'ZX':
        assert time.monotonic() < limit
        time.sleep(0.1)


def test_a_branch_with_a_slash_names_a_file():
    assert Build('origin/main~1', ROOT, '0').file_name == 'origin-main-1'


def test_settings_of_openmp_in_the_shell_change_no_build(monkeypatch):
    monkeypatch.setenv('GOMP_SPINCOUNT', '0')
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    monkeypatch.setenv('PYTHONPATH', '/elsewhere')
    found = working_tree().environment(threads=2)
    assert found['OMP_NUM_THREADS'] == '2'
    assert 'GOMP_SPINCOUNT' not in found
    assert 'OMP_NUM_THREADS' not in working_tree().environment()
    assert found['PYTHONPATH'] == f'{ROOT}:/elsewhere'
    assert found['PATH'] == os.environ['PATH']


def test_a_worker_that_imports_other_code_is_refused(tmp_path):
    # The folder has no fol_vpr, so that of the running environment would be measured.
    stranger = Build('stranger', tmp_path, '0')
    with pytest.raises(BuildError, match='was imported'):
        Worker(stranger, 1, tmp_path / 'log')


def test_memory_and_time_are_those_of_the_new_process_alone(tmp_path):
    held = np.ones(40_000_000)  # 320 MB of this process
    code = 'x = b"x" * 100_000_000; print(len(x)); import time; time.sleep(0.2)'
    found = measured([sys.executable, '-S', '-c', code], {}, tmp_path)
    assert 100 < found['peak_mb'] < 200 < held.nbytes / 1e6
    assert found['wall_s'] > 0.2
    with pytest.raises(BuildError, match='ended with 3'):
        measured([sys.executable, '-c', 'raise SystemExit(3)'], {}, tmp_path)


def test_a_short_bag_has_the_first_images_with_their_poses(town, tmp_path):
    short = inputs.shorten_bag(town / 'day', 3, tmp_path / 'short')
    source = open_source(short, pose_topic=inputs.POSES)
    frames = [frame for _, frame in source.frames()]
    whole = [frame for _, frame in open_source(town / 'day', pose_topic=inputs.POSES).frames()]
    assert [f.stamp_ns for f in frames] == [f.stamp_ns for f in whole[:3]]
    assert all(f.pose is not None for f in frames)
    assert all((a.image == b.image).all() for a, b in zip(frames, whole[:3], strict=True))


def test_places_to_learn_from_are_images_of_all_drives(town, tmp_path):
    places = inputs.write_places(town, 2, tmp_path / 'places')
    found = sorted(str(path.relative_to(places)) for path in places.rglob('*.jpg'))
    assert found == [f'{n:04d}/{name}.jpg' for n in (0, 1) for name in sorted(inputs.DRIVES)]


@pytest.mark.timeout(900)
def test_head_against_itself(town, tmp_path, capsys):
    status = main(
        [
            'against', 'HEAD', '--town', str(town), '--map', str(town / 'm.folmap'),
            '--rows', 'whole', 'answers', 'forward', 'query', '--weights', 'fol_tiny',
            '--images', '3', '--turn', '2', '--rounds', '1', '--threads', '1',
            '--json', str(tmp_path / 'f.json'), '--markdown', str(tmp_path / 'f.md'),
        ]
    )  # fmt: skip
    printed = capsys.readouterr()
    assert status == 0, printed.err
    report = json.loads((tmp_path / 'f.json').read_text())
    assert report['before']['name'] == 'HEAD'
    titles = [section['title'] for section in report['sections']]
    assert len(titles) == 4 == len(set(titles))
    rows = {row['row']: row for s in report['sections'] for row in s['comparisons']}
    assert len(rows['whole answer']['before']) == len(rows['whole answer']['after']) == 3
    assert rows['peak of resident memory']['after'][0] > 100
    assert rows['fol_tiny, 182 px']['times'] > 0
    assert 'cosine of the global descriptors 1.000000' in printed.out
    assert 'Of 3 images, 0 have another state and 0 another first place' in printed.out
    page = (tmp_path / 'f.md').read_text()
    assert 'python -m benchmarks against HEAD' in page
    assert report['machine']['processor'] in page


def test_drives_that_were_not_drawn_are_named(tmp_path, capsys):
    assert against.main(['HEAD', '--rows', 'whole', '--town', str(tmp_path)]) == 1
    assert '`make demo` draws the drives' in capsys.readouterr().err


def test_a_map_that_is_missing_is_named(town, tmp_path, capsys):
    missing = str(tmp_path / 'm.folmap')
    assert against.main(['HEAD', '--rows', 'query', '--town', str(town), '--map', missing]) == 1
    assert f'there is no map at {missing}' in capsys.readouterr().err


@pytest.mark.parametrize('words', ['', 'HEAD --rows no-such-row', 'HEAD --images x'])
def test_wrong_arguments_are_refused(words):
    with pytest.raises(SystemExit):
        against.main(words.split())
