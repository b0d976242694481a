"""Rates and percentiles over the last seconds."""

from __future__ import annotations

import pytest

from fol_vpr.monitoring.windows import SPAN, Counter, EventRate, percentiles


def test_a_rate_is_unknown_before_two_events_and_falls_to_zero_once_they_cease():
    rate = EventRate()
    assert rate.rate(0.0) is None
    rate.add(0.0)
    assert rate.rate(5.0) is None
    for number in range(1, 51):
        rate.add(number / 10)
    assert rate.rate(5.0) == pytest.approx(10.0)
    # Without further events the same ones spread over a longer time.
    assert rate.rate(8.0) == pytest.approx(50 / 8)
    assert rate.rate(5.0 + 2 * SPAN) == 0.0


def test_a_counter_is_a_rate_over_the_last_seconds():
    counter = Counter()
    assert counter.rate() is None
    counter.set(0.0, 1000)
    assert counter.rate() is None
    for second in range(1, 31):
        counter.set(float(second), 1000 + (30 if second <= 15 else 10) * second)
    assert counter.rate() == pytest.approx(10.0)
    assert counter.lately() == (100, 10.0)


def test_percentiles():
    assert percentiles([]) is None
    assert percentiles([3.0]) == (3.0, 3.0)
    median, high = percentiles([float(value) for value in range(101)])
    assert (median, high) == (50.0, 95.0)
