"""Threads that are kept: to start them for each image would take as long as what they do."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

Item = TypeVar('Item')
Found = TypeVar('Found')


@functools.cache
def lasting_pool(name: str, count: int) -> ThreadPoolExecutor:
    """The threads of that name; the same ones at each call.

    Args:
        name: shown by debuggers and `top -H`.
        count: most threads at a time.
    """
    return ThreadPoolExecutor(count, name)


def shared_out(
    function: Callable[[Item], Found], items: Sequence[Item], threads: int, name: str
) -> list[Found]:
    """What the function makes of each item, in their order; several of them at a time.

    The calling thread takes items like the others, so that none of them waits for a thread to wake
    up where it can go on itself. The function may call this one, too: where no other thread is
    free, the calling one does everything.

    Args:
        function: releases Python's lock most of the time.
        items: what to call it with.
        threads: most that run at a time, the calling one included.
        name: of the other threads.

    Raises:
        whatever `function` raises; other items may have been worked on by then.
    """
    helpers = min(len(items), threads) - 1
    if helpers < 1:
        return [function(item) for item in items]
    found: list[Found | None] = [None] * len(items)
    # `next` of an iterator of a list is one step for Python's lock.
    waiting = iter(list(enumerate(items)))

    def work() -> None:
        for number, item in waiting:
            found[number] = function(item)

    asked = [lasting_pool(name, threads - 1).submit(work) for _ in range(helpers)]
    try:
        work()
    finally:
        # A thread that has not begun would find no item left. Others may still work, or have
        # failed.
        begun = [future for future in asked if not future.cancel()]
        for future in begun:
            future.result()
    return cast('list[Found]', found)


# A process that is forked has none of these threads.
os.register_at_fork(after_in_child=lasting_pool.cache_clear)
