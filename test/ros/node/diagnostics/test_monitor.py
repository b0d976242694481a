"""Counts of images, their rates and latencies."""

from __future__ import annotations

import time

import pytest

from fol_vpr.datatypes import Cause, Explanation, LocalizationState, Recognition
from fol_vpr.ros.node.diagnostics.monitor import Monitor

NS = 1_000_000_000


def answer(quality_reason: str = '', **timings: float) -> tuple[Recognition, dict[str, float]]:
    recognition = Recognition(
        1, 'camera', LocalizationState.AMBIGUOUS, (), quality_reason=quality_reason
    )
    return recognition, timings


def test_every_image_is_accounted_for():
    monitor = Monitor()
    for stamp in range(10):
        monitor.received(stamp * NS, stamp * NS, lost=2 if stamp == 5 else 0)
    monitor.dropped(3)
    monitor.bad('cut short')
    for _ in range(4):
        monitor.answered(*answer(total=0.1))
    counts = monitor.snapshot()
    assert (counts.received, counts.dropped, counts.bad, counts.answered) == (10, 3, 1, 4)
    assert counts.waiting == 2
    assert counts.lost == 2
    assert counts.last_bad == 'cut short'
    assert counts.state == LocalizationState.AMBIGUOUS


def test_stamps_that_go_back_or_ahead_are_seen():
    monitor = Monitor()
    monitor.received(100 * NS, 99 * NS, lost=0)
    assert monitor.snapshot().backwards == 0
    monitor.received(97 * NS, 99 * NS, lost=0)
    counts = monitor.snapshot()
    assert counts.backwards == 1
    assert counts.last_jump == pytest.approx(3.0)
    assert counts.ahead == pytest.approx(-2.0)


def test_rates_are_those_of_the_last_seconds(monkeypatch):
    monitor = Monitor()
    for number in range(31):
        monkeypatch.setattr(time, 'monotonic', lambda now=0.5 * number: now)
        monitor.received(number * NS, number * NS, lost=0)
    # The first ten images are forgotten by now; one of two a second was answered.
    for moment in (13.0, 14.0, 15.0):
        monkeypatch.setattr(time, 'monotonic', lambda now=moment: now)
        monitor.answered(*answer(total=0.1))
    rates = monitor.snapshot().rates
    assert rates == {'received': pytest.approx(2.0), 'answered': pytest.approx(1.0)}


def test_a_drive_is_summed_up_by_states_and_their_causes():
    monitor = Monitor()
    assert monitor.take_summary() == ''
    states = {
        Cause.PLACE_PROBABLE: LocalizationState.LOCALIZED,
        Cause.FEW_IMAGES: LocalizationState.UNKNOWN,
        Cause.POOR_IMAGE: LocalizationState.UNKNOWN,
    }
    for number, cause in enumerate([*states, Cause.FEW_IMAGES, Cause.PLACE_PROBABLE]):
        monitor.received(number * NS, number * NS, lost=0)
        said = Recognition(1, 'camera', states[cause], (), explanation=Explanation(cause, 'r'))
        monitor.answered(said, {})
    monitor.received(9 * NS, 9 * NS, lost=0)
    monitor.dropped(1)
    assert monitor.take_summary() == (
        'images since the last summary: 6 received, 5 answered, 1 dropped, 0 bad; LOCALIZED 2; '
        'UNKNOWN 3 (2 too few images in a row, 1 poor image)'
    )
    assert monitor.take_summary() == ''
    monitor.received(10 * NS, 10 * NS, lost=0)
    monitor.bad('cut short')
    assert monitor.take_summary() == (
        'images since the last summary: 1 received, 0 answered, 0 dropped, 1 bad; no answer'
    )


def test_latency_is_by_stage():
    monitor = Monitor()
    for milliseconds in range(1, 101):
        monitor.answered(*answer(forward=milliseconds / 1e3))
    median, high = monitor.snapshot().latency['forward']
    assert median == pytest.approx(0.0505)
    assert 0.095 <= high <= 0.096
