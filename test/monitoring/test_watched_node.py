"""What the messages of a node amount to."""

from __future__ import annotations

import json

import pytest

from fol_vpr.monitoring import (
    Answer,
    ClosureSeen,
    Level,
    LoadedMap,
    Presence,
    Status,
    WatchedNode,
)
from fol_vpr.monitoring.watched_node import LEASE, SILENCE


def images(received: int, dropped: int = 0, level: Level = Level.OK, **values: int) -> Status:
    counts = {'received': received, 'answered': received - dropped, 'dropped': dropped, **values}
    return Status('images', level, 'words', {key: str(value) for key, value in counts.items()})


def texts(node: WatchedNode) -> list[str]:
    return [each.text for each in node.happenings]


def test_rates_shares_and_latencies_are_those_of_the_last_seconds():
    node = WatchedNode('/localizer', 0.0)
    for second in range(31):
        # 20 images a second, of which each second one is dropped in the last 10 s alone.
        dropped = 10 * max(0, second - 20)
        node.diagnosed(float(second), [images(20 * second, dropped, lost=3, bad=1, waiting=0)])
        node.answered(float(second), Answer(second, 'UNKNOWN', processing=0.05, waiting=0.02))
    report = node.report(30.0)
    assert report.received_rate == pytest.approx(20.0)
    assert report.answered_rate == pytest.approx(10.0)
    assert report.counts is not None and report.counts.dropped_share == pytest.approx(0.5)
    assert (report.counts.lost, report.counts.bad, report.counts.received) == (3, 1, 600)
    assert report.processing is not None and report.processing.median == pytest.approx(0.05)
    assert report.waiting is not None and report.waiting.high == pytest.approx(0.02)


def test_without_diagnostics_the_answers_themselves_are_counted():
    node = WatchedNode('/localizer', 0.0)
    for number in range(21):
        node.answered(number / 4, Answer(number, 'LOCALIZED', probability=0.9))
    report = node.report(5.0)
    assert report.answered_rate == pytest.approx(4.0)
    assert report.received_rate is None and report.counts is None
    assert report.level == Level.OK


def test_a_node_that_falls_silent_and_one_that_goes_are_told_apart():
    node = WatchedNode('/localizer', 0.0)
    for second in range(4):
        node.listed(second, True, {'a'})
        node.diagnosed(second, [images(second)])
    assert node.report(3 + SILENCE).presence == Presence.RUNNING
    report = node.report(4 + SILENCE)
    assert (report.presence, report.level) == (Presence.SILENT, Level.STALE)
    assert report.silent_for == pytest.approx(1 + SILENCE)
    node.diagnosed(10.0, [images(5)])
    assert node.report(10.0).presence == Presence.RUNNING
    node.listed(11.0, False)
    # What was still under way when the node ended does not bring it back.
    node.diagnosed(11.1, [images(6)])
    assert node.report(11.2).presence == Presence.GONE
    said = texts(node)
    assert 'sent nothing for 6 s' in said[1] and said[2:] == [
        'is there again', 'has stopped, or left the network'
    ]  # fmt: skip


def test_slow_diagnostics_are_no_silence():
    node = WatchedNode('/localizer', 0.0)
    for number in range(4):
        node.diagnosed(10.0 * number, [images(number)])
    assert node.report(30.0 + 25).presence == Presence.RUNNING
    assert node.report(30.0 + 31).presence == Presence.SILENT


@pytest.mark.parametrize('known', [True, False])
def test_a_restart_begins_the_counts_anew(known):
    """By the identity of the publisher, or else by counters that go back."""
    node = WatchedNode('/localizer', 0.0)
    node.listed(0.0, True, {'first'} if known else ())
    node.answered(1.0, Answer(1, 'LOCALIZED', processing=9.0))
    for second in range(3):
        node.diagnosed(float(second), [images(100 * second)])
    if known:
        node.listed(3.0, False)
        node.listed(5.0, True, {'second'})
    node.diagnosed(6.0, [images(1 if not known else 500)])
    node.diagnosed(7.0, [images(11 if not known else 510)])
    report = node.report(7.0)
    assert report.restarts == 1
    assert report.received_rate == pytest.approx(10.0)
    assert report.answer is None and report.processing is None
    assert sum('restarted' in text for text in texts(node)) == 1


@pytest.mark.parametrize('seen', [{'second'}, {'first', 'second'}])
def test_diagnostics_that_come_before_the_graph_shows_the_new_process_count_once(seen):
    node = WatchedNode('/localizer', 0.0)
    node.listed(0.0, True, {'first'})
    node.diagnosed(0.5, [images(100)])
    node.diagnosed(6.0, [images(1)])
    node.listed(6.5, True, seen)
    assert node.report(7.0).restarts == 1
    # The next one is counted again.
    node.listed(7.0 + 2 * LEASE, True, {'third'})
    assert node.report(8.0 + 2 * LEASE).restarts == 2


def test_a_second_process_of_the_name_is_said_once_the_first_cannot_be_a_dead_one():
    node = WatchedNode('/localizer', 0.0)
    node.listed(0.0, True, {'a'})
    node.listed(1.0, True, {'a', 'b'})
    assert 'two nodes share the name' in texts(node)[-1]
    node.diagnosed(2.0, [images(1)])
    assert node.report(2.0).problems == ()
    node.listed(2.0 + LEASE, True, {'a', 'b'})
    node.diagnosed(2.0 + LEASE, [images(1)])
    report = node.report(2.0 + LEASE)
    assert '2 processes are called /localizer' in report.problems[0]
    assert report.level == Level.WARN
    # After a kill the dead one disappears from the graph, and nothing is wrong.
    node.listed(3.0 + LEASE, True, {'b'})
    assert node.report(3.0 + LEASE).problems == ()


def test_a_cleanup_is_no_restart():
    """The publisher of the diagnostics stays."""
    node = WatchedNode('/localizer', 0.0)
    node.listed(0.0, True, {'a'})
    node.listed(1.0, True, {'a'})
    assert node.report(1.0).restarts == 0


def test_problems_begin_and_end_among_the_happenings():
    node = WatchedNode('/localizer', 0.0)
    node.diagnosed(1.0, [images(1, level=Level.ERROR)])
    node.diagnosed(2.0, [images(2, level=Level.ERROR)])
    assert node.report(2.0).level == Level.ERROR
    assert [each.part for each in node.report(2.0).complaints] == ['images']
    node.diagnosed(3.0, [images(3)])
    assert texts(node)[1:] == ['images ERROR: words', 'images OK: again as it should be']


def test_maps_and_closures():
    node = WatchedNode('/localizer', 0.0)
    node.map_loaded(0.0, LoadedMap('campus', 'one', 10, 1, True))
    node.map_loaded(1.0, LoadedMap('harbour', 'two', 10, 1, True))
    assert texts(node)[-1] == 'another map: harbour'
    closures = [
        ClosureSeen(number, 0, 'now', 'then', 0.9, 'GEOMETRY', 80, 40) for number in range(7)
    ]
    node.closed(2.0, closures)
    report = node.report(3.0)
    assert report.closures_seen == 7
    assert [closure.stamp_from_ns for _, closure in report.closures] == [6, 5, 4, 3, 2]


def test_a_report_is_json():
    node = WatchedNode('/localizer', 0.0)
    assert json.loads(json.dumps(node.report(0.0).as_json(), allow_nan=False))['answer'] is None
    node.listed(0.0, True, {'a'})
    node.map_loaded(0.0, LoadedMap('campus', 'one', 10, 1, True))
    node.answered(1.0, Answer(5, 'LOCALIZED', 'PLACE_PROBABLE', 'because', probability=0.96))
    node.closed(1.0, [ClosureSeen(1, 0, 'now', 'then', None, 'LOCAL', 80, 0)])
    for second in (1.0, 2.0):
        node.diagnosed(second, [images(int(second)), Status('node', Level.OK, '', {'state': 'a'})])
    said = json.loads(json.dumps(node.report(3.0).as_json(), allow_nan=False))
    assert (said['node'], said['presence'], said['level']) == ('/localizer', 'running', 'OK')
    assert said['lifecycle'] == 'a'
    assert said['answer']['reason'] == 'because' and said['answer']['age'] == 2.0
    assert said['rates'] == {'received_hz': 1.0, 'answered_hz': 1.0}
    assert said['closures'][0]['probability'] is None
    assert said['latency_ms']['processing'] == {'p50': 0.0, 'p95': 0.0}
