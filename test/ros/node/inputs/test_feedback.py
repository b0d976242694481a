"""The subscription to what a back-end did with loop closures."""

from __future__ import annotations

from helpers import live

from fol_vpr.ros.node.inputs.feedback import FeedbackInput
from fol_vpr_msgs.msg import LoopClosureFeedback

ACCEPTED, REJECTED = LoopClosureFeedback.ACCEPTED, LoopClosureFeedback.REJECTED


def test_feedback_counts_once_it_is_accepted_or_rejected_and_while_it_is_listened_to():
    received: list[tuple[int, bool, str]] = []
    with live.observer() as watch:
        feedback = FeedbackInput(watch.node, lambda *values: received.append(values) or '')
        feedback.subscribe()
        feedback.subscribe()
        publisher = watch.publisher(LoopClosureFeedback, 'loop_closure_feedback')
        for number, status in ((1, 7), (2, REJECTED), (3, ACCEPTED)):
            publisher.publish(
                LoopClosureFeedback(candidate_id=number, status=status, reason=f'r{number}')
            )
        watch.until(lambda: len(received) == 2)
        assert received == [(2, False, 'r2'), (3, True, 'r3')]
        feedback.unsubscribe()
        publisher.publish(LoopClosureFeedback(candidate_id=4, status=ACCEPTED))
        watch.spin(0.3)
        assert len(received) == 2


def test_why_feedback_is_ignored_is_logged(monkeypatch):
    logged: list[str] = []
    with live.observer() as watch:
        feedback = FeedbackInput(watch.node, lambda *_: 'answered already')
        logger = watch.node.get_logger()
        monkeypatch.setattr(watch.node, 'get_logger', lambda: logger)
        monkeypatch.setattr(logger, 'warning', lambda text, **_: logged.append(text))
        feedback._on_message(LoopClosureFeedback(candidate_id=3, status=ACCEPTED))
        feedback._on_message(LoopClosureFeedback(candidate_id=4, status=9))
    assert logged[0] == 'ignored: answered already'
    assert 'loop closure 4 with the status 9' in logged[1]
