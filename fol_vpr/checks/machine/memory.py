"""Whether there is memory enough."""

from __future__ import annotations

from collections.abc import Iterator

from fol_vpr.checks.findings import Finding, Severity, ok
from fol_vpr.checks.machine.facts import MachineFacts

# Bytes of a process of the node with the smallest network and no map.
NEEDED = 1.0e9


def examine_memory(facts: MachineFacts) -> Iterator[Finding]:
    """Findings on memory and its limits."""
    if facts.memory is None or facts.available is None:
        return
    free, seen = facts.available, f'{_gb(facts.available)} free of {_gb(facts.memory)}'
    if facts.memory_limit is not None and facts.memory_limit < facts.memory:
        left = max(0, facts.memory_limit - (facts.memory_used or 0))
        free = min(free, left)
        seen += f'; the control group allows {_gb(facts.memory_limit)}, {_gb(left)} of it free'
    if free < NEEDED:
        yield Finding(
            'machine.memory',
            Severity.WARNING,
            seen,
            f'a node with the smallest network takes about {_gb(NEEDED)}; a process over the '
            'limit is killed, without a message of its own',
            'end what else runs, allow more (`docker run --memory`, `MemoryMax=` of systemd), or '
            'set storage.memory_budget so that the map stays on the disk',
        )
    else:
        yield ok('machine.memory', seen)


def _gb(size: float) -> str:
    return f'{size / 1e9:.1f} GB'
