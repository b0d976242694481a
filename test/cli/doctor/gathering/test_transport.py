"""Facts of ROS and its transport."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from fol_vpr.checks.middleware.facts import RosFacts
from fol_vpr.cli.doctor.gathering.transport import transport_facts
from fol_vpr.ros.doctor.environment import ros_facts
from fol_vpr.ros.shared_memory import dead_segments

VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'


def test_what_is_set():
    facts = ros_facts({'ROS_DISTRO': 'jazzy', 'ROS_DOMAIN_ID': '7', 'HOME': '/root', VARIABLE: ''})
    assert facts.environment == {'ROS_DISTRO': 'jazzy', 'ROS_DOMAIN_ID': '7'}


def test_the_profile_that_is_named(tmp_path):
    profile = tmp_path / 'p.xml'
    profile.write_text('<dds/>')
    named = RosFacts(environment={'ROS_DISTRO': 'jazzy', VARIABLE: str(profile)})
    assert transport_facts(named).profile == '<dds/>'
    other = RosFacts(environment={'ROS_DISTRO': 'kilted', VARIABLE: str(profile)})
    assert transport_facts(other).profile is None
    missing = RosFacts(environment={'ROS_DISTRO': 'jazzy', VARIABLE: '~/none.xml'})
    facts = transport_facts(missing)
    assert facts.profile is None
    assert 'none.xml' in facts.profile_error
    folder = RosFacts(environment={'ROS_DISTRO': 'jazzy', VARIABLE: str(tmp_path)})
    assert transport_facts(folder).profile_error


def segment(folder: Path, name: str, size: int, age: float = 3600.0) -> Path:
    """A segment as Fast DDS makes it, and its lock file, whose path is returned."""
    (folder / name).write_bytes(bytes(size))
    lock = folder / f'{name}_el'
    lock.touch()
    os.utime(lock, (time.time() - age, time.time() - age))
    return lock


def test_segments_of_killed_processes_are_counted_and_stay(tmp_path):
    segment(tmp_path, 'fastrtps_0123456789abcdef', 1000)
    segment(tmp_path, 'fastdds_0123456789abcdee', 500)
    segment(tmp_path, 'fastrtps_0123456789abcde0', 99, age=1.0)
    (tmp_path / 'fastrtps_port7411').touch()
    with segment(tmp_path, 'fastrtps_0123456789abcde1', 99).open('r+') as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        before = sorted(tmp_path.iterdir())
        assert dead_segments(tmp_path) == (2, 1500)
        assert sorted(tmp_path.iterdir()) == before
    facts = transport_facts(RosFacts(), shm=tmp_path)
    assert facts.dead_segments == 3
    assert facts.shm_size > 0
    assert transport_facts(RosFacts(), shm=tmp_path / 'none').shm_size is None
