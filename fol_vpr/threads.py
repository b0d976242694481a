"""Threads that are kept: to start them for each image would take as long as what they do."""

from __future__ import annotations

import functools
import os
from concurrent.futures import ThreadPoolExecutor


@functools.cache
def lasting_pool(name: str, count: int) -> ThreadPoolExecutor:
    """The threads of that name; the same ones at each call.

    What they run must not wait for others of the same name.

    Args:
        name: shown by debuggers and `top -H`.
        count: most threads at a time.
    """
    return ThreadPoolExecutor(count, name)


# A process that is forked has none of these threads.
os.register_at_fork(after_in_child=lasting_pool.cache_clear)
