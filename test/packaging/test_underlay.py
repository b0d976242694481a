"""The distributions of ROS 2 that make sets up: one by default, others beside it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def wheels(distribution: str) -> set[str]:
    """Names of the wheels without the name of the distribution; every one is pinned."""
    text = (ROOT / 'underlay' / f'requirements.{distribution}.txt').read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith('#')]
    names = [
        re.fullmatch(r'(?:ros-([a-z]+)-)?([a-z-]+(?:\[\w+\])?)==[\d.]+', each) for each in lines
    ]
    assert all(found and found[1] in (distribution, None) for found in names)
    return {found[2] for found in names if found}


def test_both_distributions_have_the_same_wheels_but_for_two():
    assert wheels('jazzy') ^ wheels('kilted') == {'python-cmake-module', 'ament-cmake-ros-core'}


@pytest.mark.parametrize(
    ('arguments', 'folder'),
    [
        ([], 'install/setup.bash'),
        (['ROS_DISTRO=jazzy'], 'install/setup.bash'),
        (['ROS_DISTRO=kilted'], 'install-kilted/setup.bash'),
    ],
)
def test_make_takes_the_distribution_that_it_is_given_and_not_the_one_of_the_shell(
    arguments, folder
):
    done = subprocess.run(
        ['make', '--dry-run', 'test', *arguments],
        cwd=ROOT,
        env={**os.environ, 'ROS_DISTRO': 'humble'},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f'&& . {folder} &&' in done.stdout


@pytest.mark.parametrize(
    ('distribution', 'suffix'), [('', ''), ('jazzy', ''), ('kilted', '-kilted')]
)
def test_each_distribution_has_folders_of_its_own(distribution, suffix):
    script = '. underlay/environment.bash; echo "$venv $build $install"'
    environment = {**os.environ, 'FOL_VPR_ROS_DISTRO': distribution, 'ROS_PREFIX': '/nowhere'}
    done = subprocess.run(
        ['bash', '-c', script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [f'{ROOT}/{name}{suffix}' for name in ('.venv', 'build', 'install')]
    assert done.stdout.split() == expected
