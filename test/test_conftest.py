"""Modules of tests that need ROS are marked, and skipped with the reason where it is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Imports rclpy by way of the modules that it imports.
NEEDS_ROS = 'test/ros/node/test_runtime.py'
NEEDS_NONE = 'test/ros/node/test_worker.py'

WITHOUT = """
import sys
import pytest
sys.modules[sys.argv[1]] = None
sys.exit(pytest.main(['-p', 'no:cacheprovider', *sys.argv[2:]]))
"""


def run(missing: str, *arguments: str) -> str:
    """What pytest prints where a package is missing."""
    done = subprocess.run(
        [sys.executable, '-c', WITHOUT, missing, *arguments],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_without_rclpy_only_what_needs_it_is_skipped():
    output = run('rclpy', '-rs', NEEDS_ROS, NEEDS_NONE)
    assert ' 1 skipped' in output and ' passed' in output
    assert f'{NEEDS_ROS}: import of rclpy halted' in output and 'call make setup' in output


def test_the_mark_tells_what_needs_ros():
    output = run('nothing', '--collect-only', '-q', '-m', 'ros', NEEDS_ROS, NEEDS_NONE)
    assert NEEDS_ROS in output and NEEDS_NONE not in output
