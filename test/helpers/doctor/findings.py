"""Findings by their keys."""

from __future__ import annotations

from collections.abc import Iterable

from fol_vpr.checks import Finding


def by_key(findings: Iterable[Finding]) -> dict[str, Finding]:
    """Findings by key; every one that is a problem has a remedy or says whose it is."""
    found = {finding.key: finding for finding in findings}
    for finding in found.values():
        assert not finding.is_problem or (finding.why and finding.seen), finding
        assert not finding.is_problem or finding.remedy or finding.group == 'node', finding
    return found


def problems(findings: Iterable[Finding]) -> set[str]:
    """Keys of what has to be mended."""
    return {key for key, finding in by_key(findings).items() if finding.is_problem}
