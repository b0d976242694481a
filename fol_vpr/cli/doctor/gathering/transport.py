"""The profile of Fast DDS, shared memory and buffers of the kernel."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from fol_vpr.checks.middleware.facts import (
    RosFacts,
    TransportFacts,
    profile_variable,
)
from fol_vpr.errors import FolVprError
from fol_vpr.files import read_text
from fol_vpr.ros.shared_memory import dead_segments

_PROFILE_LIMIT = 1 << 20


def transport_facts(
    ros: RosFacts,
    *,
    container: str = '',
    shm: Path = Path('/dev/shm'),  # noqa: S108 where Fast DDS has its segments
    root: Path = Path('/'),
) -> TransportFacts:
    """Shared memory and buffers; reads the profile that the environment names.

    Args:
        ros: what is set.
        container: kind of the container of this process.
        shm: folder of the shared memory.
        root: where proc is.
    """
    profile, profile_error = None, ''
    named = ros.environment.get(profile_variable(ros.distribution), '')
    if named:
        try:
            profile = read_text(named, 'a profile of Fast DDS', _PROFILE_LIMIT)
        except FolVprError as error:
            profile_error = str(error)
    size = free = None
    with contextlib.suppress(OSError):
        found = os.statvfs(shm)
        size, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    count, dead_bytes = dead_segments(shm)
    return TransportFacts(
        profile=profile,
        profile_error=profile_error,
        shm_size=size,
        shm_free=free,
        shm_writable=os.access(shm, os.W_OK | os.X_OK),
        dead_segments=count,
        dead_bytes=dead_bytes,
        receive_buffer=_whole_number(root / 'proc/sys/net/core/rmem_max'),
        container=container,
    )


def _whole_number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
