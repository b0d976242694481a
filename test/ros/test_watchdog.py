"""A process ends in time, whatever its last call does."""

from __future__ import annotations

import subprocess
import sys
import time

HELD = """
import ctypes
from fol_vpr.ros.watchdog import exit_after

print('the result')
with exit_after(0.5, 3):
    # Holds Python's lock, as rclpy does when it deletes a node.
    ctypes.PyDLL(None).sleep(600)
"""
SWIFT = """
import time
from fol_vpr.ros.watchdog import exit_after

with exit_after(0.5, 3):
    pass
time.sleep(1)
print('still here')
"""


def python(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, '-c', text], capture_output=True, text=True)


def test_a_block_that_never_ends_ends_the_process():
    started = time.monotonic()
    ended = python(HELD)
    assert (ended.returncode, ended.stdout) == (3, 'the result\n'), ended.stderr
    assert time.monotonic() - started < 300


def test_a_block_that_ends_leaves_the_process_alone():
    ended = python(SWIFT)
    assert (ended.returncode, ended.stdout) == (0, 'still here\n'), ended.stderr
