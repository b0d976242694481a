"""Processor, memory, limits and temperatures, from /proc and /sys."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from fol_vpr.checks.machine.facts import MachineFacts, ThermalZone

_UNLIMITED = 1 << 60
# Bits of get_throttled of a Raspberry Pi that say that it is slowed down now.
_SLOWED = {0: 'under-voltage', 1: 'frequency capped', 2: 'throttled', 3: 'at its soft limit'}


def machine_facts(root: Path = Path('/')) -> MachineFacts:
    """What /proc and /sys say of the machine; what they do not say is None or empty.

    Args:
        root: where proc and sys are.
    """
    info = _text(root / 'proc/cpuinfo')
    memory = dict(_pairs(_text(root / 'proc/meminfo')))
    groups = list(_control_groups(root))
    load = _text(root / 'proc/loadavg').split()
    return MachineFacts(
        architecture=platform.machine(),
        processor=_processor(info, root),
        flags=_flags(info),
        cores=os.cpu_count() or 1,
        usable_cores=len(os.sched_getaffinity(0)),
        quota=min((q for g in groups if (q := _quota(g)) is not None), default=None),
        load=_number(load[0]) if load else None,
        memory=_kilobytes(memory.get('MemTotal')),
        available=_kilobytes(memory.get('MemAvailable')),
        governors=_governors(root),
        frequency_cap=_frequency_cap(root),
        zones=tuple(_zones(root / 'sys/class/thermal')),
        throttled=_throttled(root),
        power_problem=_power_problem(root),
        container=container(root),
        numba=_version('numba'),
        **_memory_limit(groups),
    )


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ''


def container(root: Path = Path('/')) -> str:
    """Kind of the container that this process runs in; empty for none that shows itself."""
    if _exists(root / '.dockerenv'):
        return 'docker'
    if _exists(root / 'run/.containerenv'):
        return 'podman'
    if named := _text(root / 'run/systemd/container').strip():
        return named
    groups = _text(root / 'proc/1/cgroup')
    return next((name for name in ('kubepods', 'docker', 'lxc') if name in groups), '')


def _processor(info: str, root: Path) -> str:
    names = dict(reversed(list(_pairs(info))))
    model = names.get('model name') or names.get('Model') or names.get('Hardware') or ''
    board = _text(root / 'proc/device-tree/model').strip('\0\n ')
    return ' '.join((board or model).split())


def _flags(info: str) -> frozenset[str]:
    """Instruction sets that all cores have."""
    lines = [v.split() for key, v in _pairs(info) if key in ('flags', 'Features')]
    return frozenset.intersection(*map(frozenset, lines)) if lines else frozenset()


def _control_groups(root: Path) -> Iterator[Path]:
    """Folders of the control groups of this process, of both versions, with all above them."""
    base = root / 'sys/fs/cgroup'
    for line in _text(root / 'proc/self/cgroup').splitlines():
        _, _, rest = line.partition(':')
        controllers, _, path = rest.partition(':')
        # Version 1 mounts each controller, or several of them, in a folder of their names.
        names = (controllers, *controllers.split(','))
        tops = [base / name for name in names] if controllers else [base]
        for top in tops:
            folder = top / path.strip('/')
            while folder != top.parent and folder.is_relative_to(base):
                yield folder
                folder = folder.parent


def _quota(group: Path) -> float | None:
    words = _text(group / 'cpu.max').split()
    if len(words) == 2 and words[0] != 'max':
        quota, period = _number(words[0]), _number(words[1])
    else:
        quota = _number(_text(group / 'cpu.cfs_quota_us').strip())
        period = _number(_text(group / 'cpu.cfs_period_us').strip())
    if quota is None or not period or quota <= 0:
        return None
    return round(quota / period, 2)


def _memory_limit(groups: list[Path]) -> dict[str, int | None]:
    """The smallest limit of memory, and what its group uses."""
    found: list[tuple[float, int]] = []
    for group in groups:
        for limit, used in (('memory.max', 'memory.current'),
                            ('memory.limit_in_bytes', 'memory.usage_in_bytes')):  # fmt: skip
            value = _number(_text(group / limit).strip())
            if value is not None and value < _UNLIMITED:
                found.append((value, int(_number(_text(group / used).strip()) or 0)))
    if not found:
        return {'memory_limit': None, 'memory_used': None}
    limit_bytes, used_bytes = min(found)
    return {'memory_limit': int(limit_bytes), 'memory_used': used_bytes}


def _governors(root: Path) -> dict[str, int]:
    files = _glob(root / 'sys/devices/system/cpu', 'cpu[0-9]*/cpufreq/scaling_governor')
    return dict(Counter(name for path in files if (name := _text(path).strip())))


def _frequency_cap(root: Path) -> float | None:
    shares = []
    for path in _glob(root / 'sys/devices/system/cpu', 'cpu[0-9]*/cpufreq/scaling_max_freq'):
        allowed = _number(_text(path).strip())
        highest = _number(_text(path.with_name('cpuinfo_max_freq')).strip())
        if allowed and highest:
            shares.append(allowed / highest)
    return min(shares, default=None)


def _zones(folder: Path) -> Iterator[ThermalZone]:
    for zone in _glob(folder, 'thermal_zone*'):
        value = _number(_text(zone / 'temp').strip())
        # Zones that are switched off read as zero, or below what a computer survives.
        if value is None or not 1_000 <= value <= 150_000:
            continue
        limits = [
            found / 1000
            for kind in _glob(zone, 'trip_point_*_type')
            if _text(kind).strip() in ('passive', 'hot', 'critical')
            and (found := _number(_text(_sibling(kind, '_temp')).strip())) is not None
            and found > 30_000
        ]
        name = _text(zone / 'type').strip() or zone.name
        yield ThermalZone(name, value / 1000, min(limits, default=None))


def _sibling(kind: Path, ending: str) -> Path:
    return kind.with_name(kind.name.replace('_type', ending))


def _throttled(root: Path) -> int | None:
    files = _glob(
        root / 'sys/devices/system/cpu', 'cpu[0-9]*/thermal_throttle/core_throttle_count'
    )
    counts = [int(_number(_text(path).strip()) or 0) for path in files]
    return max(counts, default=None)


def _power_problem(root: Path) -> str:
    text = _text(root / 'sys/devices/platform/soc/soc:firmware/get_throttled').strip()
    try:
        bits = int(text, 16) if text else 0
    except ValueError:
        return ''
    found = [name for bit, name in _SLOWED.items() if bits >> bit & 1]
    return f'the firmware reports: {", ".join(found)}' if found else ''


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, colon, value = line.partition(':')
        if colon:
            yield key.strip(), value.strip()


def _kilobytes(value: str | None) -> int | None:
    number = None if value is None else _number(value.split()[0])
    return None if number is None else int(number) * 1024


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _glob(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def _text(path: Path) -> str:
    """The content of a file of the kernel; empty where it cannot be read."""
    try:
        return path.read_text(errors='replace')
    except OSError:
        return ''
