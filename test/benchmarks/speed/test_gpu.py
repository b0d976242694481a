"""The steps of benchmarks/gpu.sh on the CPU, with small sizes: the code that a GPU will run."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.speed import gpu

SETUP = gpu.Setup(torch.device('cpu'), small=True)
SCRIPT = Path(gpu.__file__).parents[1] / 'gpu.sh'


def run_script(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ['bash', str(SCRIPT), *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, 'PYTHON': sys.executable},
    )


@pytest.mark.parametrize('name', [name for name in gpu.STEPS if name != 'node'])
def test_a_step_runs_on_the_cpu_and_meets_what_can_be_compared(name):
    lines = gpu.STEPS[name](SETUP)
    assert len(lines) >= 2
    assert [str(line) for line in lines if line.good is False] == []


def test_what_was_compared_is_said_beside_the_goal():
    assert str(gpu.Line('5 ms', '≤ 1 ms', False)) == '5 ms  [goal: ≤ 1 ms: MISSED]'
    assert str(gpu.Line('5 ms', '≤ 9 ms', True)) == '5 ms  [goal: ≤ 9 ms: reached]'
    assert str(gpu.Line('5 ms', '≤ 1 ms', SETUP.judged(False))).endswith('not compared]')
    assert gpu.Setup(torch.device('cpu'), small=False).judged(False) is False


def test_a_missed_goal_is_the_exit_code(monkeypatch, capsys):
    missed = [gpu.Line('1 of 2 images answered', 'all', False)]
    monkeypatch.setitem(gpu.STEPS, 'node', lambda _setup: missed)
    assert gpu.main(['--steps', 'node', '--device', 'cpu']) == 1
    assert 'MISSED' in capsys.readouterr().out


def test_rows_of_the_source_are_the_same_in_any_block():
    source = gpu.RandomSource(gpu.BLOCK + 3)
    ids = np.array([2, 7, gpu.BLOCK + 1])
    together = source.read(ids)
    for row, number in zip(together, ids, strict=True):
        assert (source.read(np.array([number]))[0] == row).all()
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-3)


def test_the_script_runs_a_step_and_prints_its_goal():
    done = run_script('--cpu', '--pace', '10', '--seconds', '900', 'reranking')
    assert done.returncode == 0, done.stdout + done.stderr
    assert '== reranking; goal: 100 candidates ≥ 10 times the released algorithm' in done.stdout
    assert 'times  [goal: ≥ 10 times faster: not compared]' in done.stdout
    assert 'passed in' in done.stdout
    assert '== forward' not in done.stdout


def test_the_script_skips_what_the_time_is_too_short_for():
    done = run_script('--cpu', '--seconds', '5')
    assert done.stdout.count('skipped: ') == 7
    assert done.returncode == 0


def test_the_script_refuses_unknown_options():
    done = run_script('--gpu')
    assert done.returncode == 2
    assert 'unknown option --gpu' in done.stderr
