"""How long the threads of OpenMP wait for each other in a loop before they sleep.

A forward pass on the CPU consists of some hundred parts, after each of which the threads meet.
GNU's OpenMP, which torch and faiss bring, lets a thread that is early spin, for milliseconds. That
is the fastest way where nothing else runs. Where another program uses a core, one thread spins for
the whole time slices in which the other one waits for its core: the pass takes several times, now
and then thirty times as long, and burns that time (benchmarks/results/network.md).
"""

from __future__ import annotations

import os

# Turns of the loop, some microseconds: enough for most meetings on a machine that is idle.
SPIN_COUNT = '1000'
SETTINGS = ('GOMP_SPINCOUNT', 'OMP_WAIT_POLICY')


def wait_briefly() -> None:
    """Let threads of OpenMP soon sleep where they wait, unless the environment says otherwise.

    It has to be called before torch is imported, and only by programs: it changes the environment
    of the process.
    """
    if not any(os.environ.get(name) for name in SETTINGS):
        os.environ['GOMP_SPINCOUNT'] = SPIN_COUNT
