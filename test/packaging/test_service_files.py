"""The unit for systemd, and the workflows: what ends `ros2 launch`, and what does not."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / 'config' / 'fol_vpr.service'
WORKFLOWS = sorted((ROOT / '.github' / 'workflows').glob('*.yml'))


def test_the_unit_restarts_and_stops_the_node():
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read(UNIT)
    service = unit['Service']
    # `ros2 launch` exits with 0 when its node has failed, and on SIGTERM it leaves it running.
    assert service['ExecStart'].endswith("required:=true'")
    assert '&& exec ros2 launch fol_vpr localize.launch.py' in service['ExecStart']
    assert service['Restart'] == 'on-failure'
    assert (service['KillSignal'], service['KillMode']) == ('SIGINT', 'mixed')
    assert int(service['TimeoutStopSec']) > 60, 'launch waits 60 s for the node'


def test_systemd_reads_the_unit(tmp_path):
    if shutil.which('systemd-analyze') is None:
        pytest.skip('systemd-analyze is not installed')
    copy = shutil.copy(UNIT, tmp_path)
    done = subprocess.run(
        ['systemd-analyze', 'verify', copy], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, '')


def steps() -> list[tuple[str, str]]:
    """Name and script of every step of the workflows."""
    return [
        (f'{path.name}: {step.get("name", "step")}', step['run'])
        for path in WORKFLOWS
        for job in yaml.safe_load(path.read_text())['jobs'].values()
        for step in job['steps']
        if 'run' in step
    ]


def test_what_a_workflow_starts_in_the_background_can_be_interrupted():
    """Without job control a shell lets background processes ignore SIGINT: waiting never ends."""
    scripts = [(name, text) for name, text in steps() if re.search(r'(?<!&)& *$', text, re.M)]
    assert scripts
    for name, text in scripts:
        assert re.search(r'^set -m$', text, re.MULTILINE), name
