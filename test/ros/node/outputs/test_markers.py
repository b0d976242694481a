"""What is published on ~/markers, for a subscriber that comes and goes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from visualization_msgs.msg import Marker

from fol_vpr.datatypes import (
    LocalizationState,
    LoopClosure,
    Place,
    PlaceHypothesis,
    Pose,
    Recognition,
    Verification,
)
from fol_vpr.ros.node.outputs.markers import MAX_ARCS, MarkerPublisher

UPRIGHT = np.array([0.0, 0.0, 0.0, 1.0])


class Topic:
    """Stands for a publisher, whose subscribers are a number here."""

    def __init__(self) -> None:
        self.subscribers = 0
        self.sent: list[list[str]] = []
        self.last: list[Marker] = []

    def get_subscription_count(self) -> int:
        return self.subscribers

    def publish(self, message) -> None:
        self.last = list(message.markers)
        self.sent.append(sorted({each.ns for each in message.markers}))

    def taken(self) -> list[list[str]]:
        sent, self.sent = self.sent, []
        return sent


def place(number: int) -> Place:
    pose = Pose(np.array([float(number), 0.0, 0.0]), UPRIGHT)
    return Place(number, f'day/{number}', 'day', number, '', (1, 1), pose)


def loaded(map_id: str = 'one', count: int = 3) -> SimpleNamespace:
    return SimpleNamespace(
        map_info=SimpleNamespace(map_id=map_id, places=count),
        places=tuple(place(number) for number in range(count)),
        hits=dict,
    )


def answer(stamp: int, closes: bool = False, map_id: str = 'one') -> Recognition:
    found = place(stamp % 3)
    best = PlaceHypothesis(found, 0, 0.9, probability=0.9, pose=found.pose)
    closure = LoopClosure(
        stamp, 'live', 'day', stamp, found.stamp_ns, 'camera', '', 0.9, 0.9,
        Verification.GEOMETRY, 90, 60,
    )  # fmt: skip
    return Recognition(
        stamp, 'camera', LocalizationState.LOCALIZED, (best,), best,
        (closure,) if closes else (), map_id=map_id,
    )  # fmt: skip


BELIEF = ['hypotheses', 'state']


def test_nothing_is_published_for_nobody_and_all_for_whoever_comes():
    topic, recognizer = Topic(), loaded()
    board = MarkerPublisher(topic)
    board.publish(answer(1, closes=True), recognizer, 'map')
    assert topic.taken() == []
    topic.subscribers = 1
    board.publish(answer(2), recognizer, 'map')
    assert topic.taken() == [['places day'], ['closures'], BELIEF]
    board.publish(answer(3), recognizer, 'map')
    assert topic.taken() == [BELIEF]
    board.publish(answer(4, closes=True), recognizer, 'map')
    assert topic.taken() == [['closures'], BELIEF]
    # Another subscriber, which was not there before, and a map that has grown.
    topic.subscribers = 2
    board.publish(answer(5), recognizer, 'map')
    assert topic.taken() == [['places day'], ['closures'], BELIEF]
    board.publish(answer(6), loaded(count=4), 'map')
    assert topic.taken() == [['places day'], BELIEF]


def test_another_map_clears_the_closures_and_waits_for_its_first_answer():
    topic = Topic()
    topic.subscribers = 1
    board = MarkerPublisher(topic)
    board.publish(answer(1, closes=True), loaded(), 'map')
    topic.taken()
    # An answer by the old map, after the new one was loaded.
    board.publish(answer(2), loaded('two', 5), 'map')
    assert topic.taken() == []
    board.publish(answer(3, map_id='two'), loaded('two', 5), 'map')
    assert topic.taken() == [['places day'], ['closures'], BELIEF]
    board.publish(answer(4, map_id='two'), loaded('two', 5), 'map')
    assert topic.taken() == [BELIEF]


def test_arcs_and_what_they_are_made_of_are_bounded():
    topic, recognizer = Topic(), loaded()
    topic.subscribers = 1
    board = MarkerPublisher(topic)
    for stamp in range(MAX_ARCS + 50):
        board.publish(answer(stamp, closes=True), recognizer, 'map')
    assert len(board._arcs) == MAX_ARCS


def test_a_closure_whose_ends_are_not_known_is_left_out():
    topic, recognizer = Topic(), loaded()
    topic.subscribers = 1
    board = MarkerPublisher(topic)
    found = answer(1, closes=True)
    lost = Recognition(
        1, 'camera', LocalizationState.UNKNOWN, found.hypotheses, None, found.loop_closures,
        map_id='one',
    )  # fmt: skip
    board.publish(lost, recognizer, 'map')
    assert topic.taken() == [['places day'], BELIEF]
