"""What ended processes leave in shared memory: removed if it is provably ours and dead."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fol_vpr.ros.shared_memory import MINIMUM_AGE, remove_dead_segments

NAME = 'fastrtps_0123456789abcdef'


def segment(folder: Path, name: str = NAME, age: float = 2 * MINIMUM_AGE) -> Path:
    """A segment and its lock file; the path of the lock file."""
    (folder / name).write_bytes(bytes(1000))
    lock = folder / f'{name}_el'
    lock.touch()
    then = time.time() - age
    os.utime(lock, (then, then))
    return lock


@pytest.mark.parametrize('name', [NAME, 'fastdds_0123456789abcdef'])
def test_a_dead_segment_is_removed(tmp_path, name):
    segment(tmp_path, name)
    assert remove_dead_segments(tmp_path) == (1, 1000)
    assert not list(tmp_path.iterdir())


def test_a_segment_that_a_process_holds_stays(tmp_path):
    lock = segment(tmp_path)
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert remove_dead_segments(tmp_path) == (0, 0)
    assert remove_dead_segments(tmp_path) == (1, 1000)


def test_a_segment_that_is_just_being_made_stays(tmp_path):
    segment(tmp_path, age=0)
    assert remove_dead_segments(tmp_path) == (0, 0)


def test_what_has_another_name_or_is_a_link_stays(tmp_path):
    mine = tmp_path / 'mine'
    mine.write_text('years of work')
    for name in ('fastrtps_port7400', 'sem.fastrtps_port7400_mutex', 'fastrtps_short_el', 'x_el'):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / f'{NAME}_el').symlink_to(mine)
    other = segment(tmp_path, 'fastdds_ffffffffffffffff')
    (tmp_path / 'fastdds_ffffffffffffffff').unlink()
    (tmp_path / 'fastdds_ffffffffffffffff').symlink_to(mine)
    before = sorted(tmp_path.iterdir())
    assert remove_dead_segments(tmp_path) == (0, 0)
    assert sorted(tmp_path.iterdir()) == before and other.exists()
    assert mine.read_text() == 'years of work'


def test_what_belongs_to_another_user_stays(tmp_path, unprivileged):
    tmp_path.chmod(0o777)
    segment(tmp_path)
    with unprivileged():
        assert remove_dead_segments(tmp_path) == (0, 0)


def test_without_shared_memory_nothing_happens(tmp_path):
    assert remove_dead_segments(tmp_path / 'absent') == (0, 0)


PARTICIPANT = """
import sys, time, rclpy
rclpy.init()
node = rclpy.create_node('killed')
print('ready', flush=True)
time.sleep(600)
"""


@pytest.mark.ros
def test_the_segment_of_a_killed_participant_is_recognised():
    """Against the real Fast DDS: locked while the process lives, ours and dead afterwards."""
    folder = Path('/dev/shm')

    def names() -> set[str]:
        return {lock.name for lock in folder.glob('fast*_el') if 'port' not in lock.name}

    before = names()
    process = subprocess.Popen([sys.executable, '-c', PARTICIPANT], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b'ready\n'
        made = [folder / name for name in names() - before]
        locked = [lock for lock in made if is_locked(lock)]
        if not locked:
            pytest.skip('another middleware, or no shared memory')
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    for lock in locked:
        os.utime(lock, (0, 0))
    remove_dead_segments()
    assert not any(lock.exists() for lock in locked if not is_locked(lock))


def is_locked(lock: Path) -> bool:
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
