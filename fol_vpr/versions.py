"""Versions of optional packages, which are compared where an older one would do harm."""

from __future__ import annotations

import re


def version_numbers(version: str) -> tuple[int, ...]:
    """The first three numbers of a version, as 1.8.1, in a tuple that compares as versions do."""
    return tuple(map(int, re.findall(r'\d+', version)[:3]))
