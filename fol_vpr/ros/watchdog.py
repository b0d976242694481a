"""Ends the process if a block takes too long, even while the block holds Python's lock.

When Fast DDS 2.14 deletes a participant at the same time as another one leaves, it may wait for
ever: it takes and releases, without a pause, the lock that its other thread needs
(eProsima/Fast-DDS#6513). This was seen at the end of two of about eight hundred processes. rclpy
calls Fast DDS with Python's lock held, so that neither a thread nor a signal handler written in
Python runs meanwhile. Therefore a timer of the C library calls `_exit`.

`faulthandler.dump_traceback_later(exit=True)` also works without Python's lock, but it always ends
the process with the status 1, and prints a traceback. Here the work is done before the block
begins, and the status must tell launch files, systemd and scripts how the work ended.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_SIGEV_THREAD = 2


class _Event(ctypes.Structure):
    """`struct sigevent` of Linux for SIGEV_THREAD: a function that is called on a new thread."""

    _fields_ = (
        ('value', ctypes.c_void_p),
        ('signal', ctypes.c_int),
        ('notify', ctypes.c_int),
        ('function', ctypes.c_void_p),
        ('attributes', ctypes.c_void_p),
        ('padding', ctypes.c_char * 32),
    )


class _Schedule(ctypes.Structure):
    """`struct itimerspec`: the interval, zero for a single call, and the time until the call."""

    _fields_ = tuple(
        (name, ctypes.c_long) for name in ('every_s', 'every_ns', 'after_s', 'after_ns')
    )


@contextmanager
def exit_after(seconds: float, status: int = 0) -> Iterator[None]:
    """End the process if the block takes longer than a time.

    Standard output and standard error are flushed before the block begins. No other clean-up runs
    when the process is ended.

    Args:
        seconds: that the block may take.
        status: exit status of the process if it takes longer.

    Raises:
        OSError: the timer cannot be created.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    libc = ctypes.CDLL(None, use_errno=True)
    timer = ctypes.c_void_p()
    end = ctypes.cast(libc._exit, ctypes.c_void_p)
    event = _Event(value=status, notify=_SIGEV_THREAD, function=end.value)
    if libc.timer_create(time.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)):
        raise OSError(ctypes.get_errno(), 'the timer of the watchdog cannot be created')
    whole, rest = divmod(round(seconds * 1e9), 1_000_000_000)
    libc.timer_settime(timer, 0, ctypes.byref(_Schedule(0, 0, whole, rest)), None)
    try:
        yield
    finally:
        libc.timer_delete(timer)
