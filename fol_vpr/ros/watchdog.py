"""Ends a process in time, whatever the middleware does.

When Fast DDS 2.14 deletes a participant while news of another one's end arrive, it may wait for
ever: it takes and gives back, without a pause, the lock that the other thread needs to finish (see
eProsima/Fast-DDS#6513). That was seen in two of some eight hundred endings. rclpy calls it with
Python's lock held, so that neither a thread nor a signal handler written in Python would notice.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_SIGEV_THREAD = 2


class _Event(ctypes.Structure):
    """`struct sigevent` of Linux: a function that is called on a thread of its own."""

    _fields_ = (
        ('value', ctypes.c_void_p),
        ('signal', ctypes.c_int),
        ('notify', ctypes.c_int),
        ('function', ctypes.c_void_p),
        ('attributes', ctypes.c_void_p),
        ('padding', ctypes.c_char * 32),
    )


class _Schedule(ctypes.Structure):
    """`struct itimerspec`: the interval, zero for once, and the time until the first call."""

    _fields_ = tuple(
        (name, ctypes.c_long) for name in ('every_s', 'every_ns', 'after_s', 'after_ns')
    )


@contextmanager
def exit_after(seconds: float, status: int = 0) -> Iterator[None]:
    """End the process with a status if the block takes longer, even where it holds Python's lock.

    What has been written to standard output and standard error before is flushed; no other
    clean-up runs then.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    libc = ctypes.CDLL(None, use_errno=True)
    timer = ctypes.c_void_p()
    end = ctypes.cast(libc._exit, ctypes.c_void_p)
    event = _Event(value=status, notify=_SIGEV_THREAD, function=end.value)
    if libc.timer_create(time.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)):
        raise OSError(ctypes.get_errno(), 'no timer could be had')
    whole, rest = divmod(round(seconds * 1e9), 1_000_000_000)
    libc.timer_settime(timer, 0, ctypes.byref(_Schedule(0, 0, whole, rest)), None)
    try:
        yield
    finally:
        libc.timer_delete(timer)
