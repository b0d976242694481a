"""Memory that a step gives back stays with the process."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESIDENT = """
import os, sys
import torch
from training.memory import keep_memory
if sys.argv[1] == 'keep':
    assert keep_memory()
def resident():
    pages = int(open('/proc/self/statm').read().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') >> 20
before = resident()
torch.ones(256 << 20, dtype=torch.uint8)
print(resident() - before)
"""


def resident_after(way: str) -> int:
    """MiB that the process has more than before, after a block of 256 MiB was freed."""
    done = subprocess.run(
        [sys.executable, '-c', RESIDENT, way], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='needs glibc')
def test_a_block_that_was_freed_stays_with_the_process():
    assert resident_after('plain') < 128 < 200 < resident_after('keep')
