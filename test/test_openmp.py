"""How threads of OpenMP wait: what the library itself says that it read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Each ends at once, having done what it does before it imports torch.
PROGRAMS = [
    "from fol_vpr.cli.main import main; main(['weights', 'list'])",
    "from fol_vpr.ros.node.main import main; main(['localizer', '--help'])",
    "from training.__main__ import main\ntry: main(['--help'])\nexcept SystemExit: pass",
]


def spin_count(program: str, **environment: str) -> str:
    """What GNU's OpenMP in torch reads at its start, in a process that begins with `program`."""
    plain = {name: value for name, value in os.environ.items() if 'OMP_' not in name}
    done = subprocess.run(
        [sys.executable, '-c', f'{program}\nimport torch'],
        cwd=ROOT, env=plain | {'OMP_DISPLAY_ENV': 'verbose'} | environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = re.search(r"GOMP_SPINCOUNT = '(\w+)'", done.stderr)
    if found is None:
        pytest.skip("this torch does not use GNU's OpenMP")
    return found[1]


@pytest.mark.parametrize('program', PROGRAMS)
def test_the_programs_let_threads_sleep_soon(program):
    assert spin_count(program) == '1000'


def test_the_library_leaves_it_to_who_uses_it():
    assert spin_count('import fol_vpr.recognizer') != '1000'


@pytest.mark.parametrize(
    ('given', 'expected'),
    [({'GOMP_SPINCOUNT': '77'}, '77'), ({'OMP_WAIT_POLICY': 'passive'}, '0')],
)
def test_the_environment_wins(given, expected):
    assert spin_count(PROGRAMS[0], **given) == expected
