"""The view fits every terminal, and leaves out what matters least."""

from __future__ import annotations

import pytest

from fol_vpr.cli.watch.lines import report_line
from fol_vpr.cli.watch.view import ASCII, screen
from fol_vpr.monitoring import Answer, ClosureSeen, Level, LoadedMap, Status, WatchedNode

REASON = 'probability 0.72 of 0.95, and the second place is 41 m away with a probability of 0.21'


def busy(name: str = '/robot1/localizer') -> WatchedNode:
    """A node with much to say."""
    node = WatchedNode(name, 0.0)
    node.map_loaded(0.0, LoadedMap('campus', 'one', 1230, 3, True))
    for number in range(100):
        state = 'AMBIGUOUS' if number % 3 else 'LOCALIZED'
        node.answered(
            number / 10,
            Answer(
                number, state, 'PLACES_ALIKE', REASON, 'drive on: more images tell the two apart',
                probability=0.72, place_id='day/000064', session_id='day', similarity=0.67,
                inliers=72, processing=0.064, waiting=0.012,
            ),
        )  # fmt: skip
    closure = ClosureSeen(1, 0, 'live-584d59a5', 'day', 0.99, 'GEOMETRY', 203, 131)
    node.closed(9.0, [closure] * 5)
    long = 'images are dropped, because the camera is faster than this machine: ' + 40 * 'words '
    for second in range(10):
        counts = {'received': 30 * second, 'answered': 15 * second, 'dropped': 15 * second}
        values = {key: str(value) for key, value in counts.items()}
        node.diagnosed(
            float(second),
            [
                Status('node', Level.OK, 'active', {'state': 'active'}),
                Status('images', Level.WARN, long, values),
                Status('stamps', Level.ERROR, 'stamps lie in the future'),
            ],
        )
    return node


def shown(nodes: list[WatchedNode], width: int = 80, height: int = 24, **options) -> list[str]:
    happenings = [each for node in nodes for each in node.happenings]
    lines = screen(
        [node.report(9.9) for node in nodes], happenings, now=9.9, width=width, height=height,
        **options,
    )  # fmt: skip
    assert len(lines) <= height
    assert all(line.cell_len <= width for line in lines)
    return [line.plain for line in lines]


@pytest.mark.parametrize('height', [1, 2, 5, 8, 12, 24, 60])
@pytest.mark.parametrize('width', [20, 40, 80, 200])
@pytest.mark.parametrize('count', [0, 1, 2, 5, 30])
def test_it_fits(width, height, count):
    shown([busy(f'/robot{number}/localizer') for number in range(count)], width, height)


def test_one_node_in_80_by_24_says_everything_that_matters():
    text = '\n'.join(shown([busy()]))
    for words in (
        '/robot1/localizer', 'active', 'ERROR', 'LOCALIZED', 'probability 0.72', 'day/000064',
        'reason     probability 0.72 of 0.95', 'remedy     drive on', 'in 30.0/s',
        'answered 15.0/s', 'dropped 50%', 'processing 64 ms', 'waiting 12 ms',
        'stamps: stamps lie in the future', 'images: images are dropped', 'campus: 1230 places',
        'closures', '131/203, 5 in all', 'history', 'events',
    ):  # fmt: skip
        assert words in text, words


def test_a_low_terminal_keeps_the_state_and_what_is_wrong():
    text = '\n'.join(shown([busy()], 80, 8))
    for words in ('/robot1/localizer', 'LOCALIZED', 'reason', 'ERROR', 'WARN'):
        assert words in text
    assert 'closures' not in text and 'history' not in text


def test_many_nodes_are_rows_and_those_without_room_are_counted():
    lines = shown([busy(f'/robot{number}/localizer') for number in range(30)])
    rows = [line for line in lines if line.startswith('/robot')]
    assert 15 <= len(rows) < 30
    assert 'LOCALIZED' in rows[0] and '30.0' in rows[0] and 'ERROR stamps' in rows[0]
    assert f'{30 - len(rows)} more' in '\n'.join(lines)


def test_a_terminal_without_unicode_gets_none():
    assert all(line.isascii() for line in shown([busy()], 80, 60, glyphs=ASCII))
    assert all(line.isascii() for line in shown([busy()], 40, 12, glyphs=ASCII))


def test_without_a_node_it_says_what_to_compare():
    assert 'compare' in ' '.join(shown([], hint='no localizer found yet: compare ROS_DOMAIN_ID'))


def test_a_node_that_is_gone_or_silent_is_said():
    node = busy()
    node.listed(9.9, False)
    text = '\n'.join(shown([node]))
    assert 'gone' in text and 'not on the network any more' in text and 'has stopped' in text
    silent = busy()
    lines = screen([silent.report(60.0)], [], now=60.0, width=80, height=24)
    assert 'silent' in '\n'.join(line.plain for line in lines)
    assert 'the last answer 50 s ago' in '\n'.join(line.plain for line in lines)


def test_a_line_for_a_pipe_says_the_same():
    line = report_line(busy().report(9.9), 9.9)
    for words in (
        '/robot1/localizer', 'LOCALIZED p 0.72', 'place day/000064', REASON, 'in 30.0/s',
        'answered 15.0/s', 'dropped 50%', 'processing 64/64 ms', 'waiting 12/12 ms',
        'ERROR stamps: stamps lie in the future', 'WARN images: images are dropped',
    ):  # fmt: skip
        assert words in line, words
    assert '\n' not in line
    new = WatchedNode('/localizer', 0.0)
    assert 'no answer yet | in - | answered -' in report_line(new.report(0.0), 0.0)
