"""What an examination found: how grave, what was seen, why it matters, and what to do."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass


class Severity(enum.Enum):
    """How grave a finding is.

    ERROR: what was asked for cannot work. WARNING: it works worse than it could, or otherwise than
    expected. OK: as it should be. SKIPPED: it was not examined, and `Finding.seen` says why.
    """

    ERROR = 'error'
    WARNING = 'warning'
    OK = 'ok'
    SKIPPED = 'skipped'


@dataclass(frozen=True)
class Finding:
    """One result of an examination.

    Attributes:
        key: stable name for programs; what stands before the first dot is its group.
        severity: how grave it is.
        seen: what was seen, with names and numbers.
        why: what follows from it; empty where it is OK.
        remedy: what to do; empty where there is nothing to do.
        command: a command that does it, or shows more; may be empty.
    """

    key: str
    severity: Severity
    seen: str
    why: str = ''
    remedy: str = ''
    command: str = ''

    @property
    def group(self) -> str:
        """The part of the key before the first dot."""
        return self.key.partition('.')[0]

    @property
    def is_problem(self) -> bool:
        """Whether something should be done."""
        return self.severity in (Severity.ERROR, Severity.WARNING)


def ok(key: str, seen: str) -> Finding:
    """A finding that something is as it should be."""
    return Finding(key, Severity.OK, seen)


def skipped(key: str, seen: str, remedy: str = '', command: str = '') -> Finding:
    """A finding that something was not examined."""
    return Finding(key, Severity.SKIPPED, seen, remedy=remedy, command=command)


GROUPS = {
    'machine': 'Machine',
    'gpu': 'GPU and torch',
    'ros': 'ROS 2',
    'dds': 'Transport of large messages',
    'weights': 'Weights',
    'map': 'Map',
    'node': 'Running localizer',
    'clock': 'Clock',
    'images': 'Images',
    'stamps': 'Time stamps',
    'camera': 'Calibration of the camera',
    'frames': 'Frames',
    'odometry': 'Odometry',
    'trial': 'Timed trial',
}
"""Titles of the groups, in the order in which they are shown."""

# Which group is mended first: a cause stands before what follows from it.
_CAUSES = (
    'ros', 'images', 'clock', 'stamps', 'map', 'weights', 'frames', 'camera', 'odometry', 'gpu',
    'node', 'dds', 'machine', 'trial',
)  # fmt: skip


def first_steps(findings: Iterable[Finding], count: int = 3) -> list[Finding]:
    """The problems that should be mended first, errors before warnings, causes before effects.

    Args:
        findings: of all groups.
        count: the most to return.
    """
    problems = [finding for finding in findings if finding.is_problem]
    problems.sort(
        key=lambda f: (f.severity is not Severity.ERROR, _CAUSES.index(f.group)),
    )
    return problems[:count]
