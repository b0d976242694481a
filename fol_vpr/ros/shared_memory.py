"""Finds shared memory that ended processes have left behind, and removes that of this user.

Fast DDS gives every participant a segment of shared memory, `/dev/shm/fastrtps_*` (`fastdds_*`
from version 3 on), and removes it when the participant ends. A process that is killed leaves it:
32 MiB with the profile of this package, until the machine restarts. Beside each segment lies a
file of the same name with `_el`, which the process holds locked by flock(2) for as long as it
lives; `fastdds shm clean` uses the same sign.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
from pathlib import Path

_LOCK_NAME = re.compile(r'(?:fastrtps|fastdds)_[0-9a-f]{16}_el')
_FOLDER = Path('/dev/shm')  # noqa: S108 where Fast DDS has its segments
MINIMUM_AGE = 60.0
"""Seconds; a process that has just made the lock file has not locked it yet."""


def remove_dead_segments(folder: Path = _FOLDER) -> tuple[int, int]:
    """Remove the segments of Fast DDS that belong to this user and to no living process.

    Ports and what belongs to others are left alone. Nothing is raised: the shared memory of
    other programs is no reason not to start.

    Args:
        folder: where the segments are.

    Returns:
        How many were removed, and their bytes.
    """
    count = size = 0
    try:
        locks = [path for path in folder.iterdir() if _LOCK_NAME.fullmatch(path.name)]
    except OSError:
        return 0, 0
    for lock in locks:
        try:
            freed = _removed(lock)
        except OSError:
            continue
        if freed is not None:
            count, size = count + 1, size + freed
    return count, size


def dead_segments(folder: Path = _FOLDER) -> tuple[int, int]:
    """Count the segments of Fast DDS that belong to no living process; nothing is changed.

    Segments of other users count where their lock files may be read.

    Args:
        folder: where the segments are.

    Returns:
        How many there are, and their bytes.
    """
    count = size = 0
    try:
        locks = [path for path in folder.iterdir() if _LOCK_NAME.fullmatch(path.name)]
    except OSError:
        return 0, 0
    for lock in locks:
        try:
            if _is_dead(lock):
                count += 1
                size += lock.with_name(lock.name.removesuffix('_el')).lstat().st_size
        except OSError:
            continue
    return count, size


def _is_dead(lock: Path) -> bool:
    """Whether no process holds a lock file that is old enough to be held."""
    handle = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or time.time() - status.st_mtime <= MINIMUM_AGE:
            return False
        try:
            # Shared: two that look at the same time must not take each other for the owner.
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
    finally:
        os.close(handle)


def _removed(lock: Path) -> int | None:
    """Remove a segment and its lock file; its bytes, or None if somebody may use it."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    handle = os.open(lock, flags)
    try:
        status = os.fstat(handle)
        old = time.time() - status.st_mtime > MINIMUM_AGE
        if not (old and _is_ours(status)):
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return None
        # Another process may have removed it, or made it anew, before it was locked here.
        if not os.path.samestat(lock.lstat(), status):
            return None
        segment = lock.with_name(lock.name.removesuffix('_el'))
        freed = 0
        if segment.exists():
            found = segment.lstat()
            if not _is_ours(found):
                return None
            freed = found.st_size
            segment.unlink()
        # The lock last: while it is there and locked, nobody takes the name.
        lock.unlink()
        return freed
    finally:
        os.close(handle)


def _is_ours(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
