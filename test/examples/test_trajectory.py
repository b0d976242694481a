"""The pose graph of a recorded drive, as users run it: the error falls, wrong closures or not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('gtsam', reason='gtsam is not installed')

import cv2
import gtsam
from helpers.back_ends.drives import Drive
from helpers.source_files import bag, camera_info, compressed, encode, odometry, picture, pose
from helpers.source_files import transforms as tf

ROOT = Path(__file__).resolve().parents[2]
# An image a second; poses of the drive come ten times a second.
STEP = 10
ROUND = 377
MOUNT = (0.2, 0.0, 1.3, -0.5, 0.5, -0.5, 0.5)
NOISE = ['--position-noise', '0.05', '--rotation-noise', '0.02']


def run(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, '-m', 'examples.pose_graph', *map(str, words)],
        cwd=ROOT, env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def errors(printed: str) -> dict[str, float]:
    """Trajectory errors in metres by what they are called."""
    lines = re.findall(r'^  (.+?) {2,}([\d.]+) m$', printed, re.MULTILINE)
    return {name: float(value) for name, value in lines}


def numbers(pose: gtsam.Pose3) -> tuple[list[float], list[float]]:
    turned = pose.rotation().toQuaternion()
    return pose.translation().tolist(), [turned.x(), turned.y(), turned.z(), turned.w()]


@pytest.fixture(scope='module')
def drive() -> Drive:
    return Drive.around(3)


@pytest.fixture(scope='module')
def recorded(drive, tmp_path_factory) -> Path:
    """Two rounds with odometry, ground truth, and images that show nothing."""
    jpeg = encode(picture())
    sent = [tf(drive.stamp(0), ('base_link', 'camera', MOUNT))]
    for number in range(0, len(drive.truth), STEP):
        stamp = drive.stamp(number)
        position, orientation = numbers(drive.odometry[number])
        sent += [
            compressed(stamp, jpeg),
            camera_info(stamp, topic='/camera/camera_info'),
            odometry(stamp, position, np.zeros((6, 6)), orientation=orientation),
            pose(stamp, *numbers(drive.truth[number])),
        ]
    return bag(tmp_path_factory.mktemp('drive') / 'bag', sent)


def table(drive: Drive, path: Path, *, wrong: int = 0, metric: bool = True) -> Path:
    """Closures of the second round with the first one, as `fol_vpr loops --json` writes them."""
    rng = np.random.default_rng(1)
    mount = gtsam.Pose3(gtsam.Rot3.Quaternion(0.5, -0.5, 0.5, -0.5), np.array(MOUNT[:3]))
    closures = []
    for name, start in enumerate(range(380, len(drive.truth), 4 * STEP)):
        end = round((start - ROUND) / STEP) * STEP
        camera = [drive.truth[n].compose(mount) for n in (start, end)]
        measured = camera[0].between(camera[1])
        measured = measured.compose(gtsam.Pose3.Expmap(0.01 * rng.normal(size=6)))
        translation, orientation = numbers(measured)
        length = 1.0 if metric else float(np.linalg.norm(translation))
        closures.append((name, start, end, np.array(translation) / length, orientation))
    found = [
        {
            'candidate_id': name,
            'within_drive': True,
            'stamp_from_ns': drive.stamp(start),
            'stamp_to_ns': drive.stamp(end),
            'from_t_to': {
                'translation': translation.tolist(),
                'orientation_xyzw': orientation,
                'covariance': (0.01**2 * np.eye(6)).tolist(),
                'metric_scale': metric,
            },
        }
        for name, start, end, translation, orientation in closures
    ]
    for name in range(100, 100 + wrong):
        # Images of opposite sides that look alike; nothing was measured between them.
        start = 400 + 3 * STEP * (name - 100)
        ends = [drive.stamp(start), drive.stamp(start - ROUND // 2 // STEP * STEP)]
        found.append({**found[0], 'candidate_id': name, 'from_t_to': None})
        found[-1] |= dict(zip(('stamp_from_ns', 'stamp_to_ns'), ends, strict=True))
    path.write_text(json.dumps({'closures': found}))
    return path


def test_right_closures_make_the_error_smaller(drive, recorded, tmp_path):
    picture = tmp_path / 'drive.png'
    given = ['--truth', '/pose', '--closures', table(drive, tmp_path / 'c.json'), *NOISE]
    printed = run(recorded, *given, '--output', picture)
    before, after = errors(printed).values()
    assert before > 0.3
    assert after < 0.5 * before
    assert re.search(r'loop closures, \d+ accepted, 0 of them wrong', printed)
    drawn = cv2.imread(str(picture))
    assert drawn.shape[0] > 500
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 20


def test_closures_without_a_transform_constrain_nothing(drive, recorded, tmp_path):
    """Taken for two images at one pose they would ruin the trajectory."""
    given = ['--truth', '/pose', '--closures', table(drive, tmp_path / 'c.json', wrong=5)]
    printed = run(recorded, *given, *NOISE, '--compare')
    found = errors(printed)
    before, after = list(found.values())[:2]
    assert after < 0.5 * before
    assert printed.count('no transform  rejected: unused: no transform was measured') == 5
    ruined = found['no transform taken for the same pose, least squares']
    kept = found['no transform taken for the same pose, robust kernel']
    assert ruined > before
    assert kept < 0.5 * ruined


def test_without_ground_truth_no_error_is_told(drive, recorded, tmp_path):
    printed = run(recorded, '--closures', table(drive, tmp_path / 'c.json'), *NOISE)
    assert 'the error is not known' in printed
    assert not errors(printed) and 'wrong' not in printed


@pytest.mark.parametrize(
    ('content', 'words'),
    [('{}', 'closures'), ('[1]', 'fol_vpr loops --json'), ('{"closures": [1]}', 'of the same')],
)
def test_a_file_without_closures_is_refused(recorded, tmp_path, content, words):
    path = tmp_path / 'c.json'
    path.write_text(content)
    done = subprocess.run(
        [sys.executable, '-m', 'examples.pose_graph', str(recorded), '--closures', str(path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith('error: ') and words in done.stderr


def test_the_closures_that_are_found_make_the_error_smaller(tmp_path):
    """A round through a town, and a part of it again."""
    pytest.importorskip('panda3d', reason='training/requirements.txt is not installed')
    from training.town.camera.conditions import named
    from training.town.drive import DriveConfig, write_drive

    config = DriveConfig(seed=13, duration=32.0, rate=3.0, speed=5.0)
    write_drive(config, named('day', seed=0), tmp_path / 'bag')
    printed = run(tmp_path / 'bag', '--truth', '/ground_truth', '--threads', '1')
    before, after = errors(printed).values()
    assert after < 0.7 * before
    assert '0 of them wrong' in printed
