"""What to do first."""

from __future__ import annotations

from fol_vpr.checks import Finding, Severity, first_steps, ok, skipped
from fol_vpr.checks.findings import _CAUSES, GROUPS


def problem(key: str, severity: Severity = Severity.WARNING) -> Finding:
    return Finding(key, severity, 'seen', 'why', 'remedy')


def test_errors_come_before_warnings_and_causes_before_what_follows_from_them():
    findings = [
        problem('machine.load'),
        problem('camera.missing'),
        problem('map.read', Severity.ERROR),
        problem('images.missing', Severity.ERROR),
        ok('ros.domain', ''),
        skipped('map.none', ''),
    ]
    assert [each.key for each in first_steps(findings)] == [
        'images.missing', 'map.read', 'camera.missing'
    ]  # fmt: skip
    assert first_steps([ok('ros.domain', '')]) == []


def test_every_group_has_a_place_in_the_order():
    assert set(_CAUSES) == set(GROUPS)
