"""Counts of the images: each is answered, dropped, lost, bad or still waiting."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fol_vpr.datatypes import Cause, Explanation, LocalizationState, Recognition

# Images over which latencies are computed: enough for stable percentiles, and few enough to show a
# change within seconds.
WINDOW = 200
# Seconds over which rates are computed.
RATE_SPAN = 10.0

Causes = Mapping[tuple[LocalizationState, Cause], int]
"""Number of answers by their state and its cause."""


@dataclass(frozen=True)
class Snapshot:
    """The counts at one moment. Ages are in seconds; None if the event never happened.

    Attributes:
        received: images that reached the node; answered + dropped + bad + waiting.
        lost: images that their publisher sent and that never reached the node.
        lost_lately: lost images whose loss was noticed within the last RATE_SPAN seconds.
        answered: images whose answer was published.
        dropped: images that a newer one displaced, or that waited when the node stopped listening.
        received_lately, dropped_lately: within the last RATE_SPAN seconds.
        bad: images that could not be decoded or recognized.
        waiting: images in the queue, and those being processed.
        image_age, answer_age, bad_age: since the last received, answered and bad image.
        last_bad: why the last bad image was bad.
        backwards: images with a stamp before that of their predecessor.
        backwards_age: since the last of these.
        last_jump: seconds between the stamp of the last of these and its predecessor's.
        repeated_age: since the last image that had the stamp of its predecessor.
        ahead: seconds by which the last stamp was ahead of the clock; negative means behind.
        unstamped: whether the stamp of the last image is zero.
        state, explanation, quality, quality_reason: of the last answer.
        causes: of all answers.
        rates: images per second over the last RATE_SPAN seconds, `received` and `answered`.
        latency: (median, 95th percentile) in seconds by stage over the last WINDOW images;
            `processing`, `waiting` and `total` (both together) come first.
    """

    received: int
    lost: int
    lost_lately: int
    answered: int
    dropped: int
    received_lately: int
    dropped_lately: int
    bad: int
    waiting: int
    image_age: float | None
    answer_age: float | None
    bad_age: float | None
    last_bad: str
    backwards: int
    backwards_age: float | None
    last_jump: float
    repeated_age: float | None
    ahead: float | None
    unstamped: bool
    state: LocalizationState
    explanation: Explanation
    quality: float
    quality_reason: str
    causes: Causes
    rates: Mapping[str, float]
    latency: Mapping[str, tuple[float, float]]


class Monitor:
    """Counts the images and measures their latency; may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received = self._lost = self._answered = self._dropped = self._bad = 0
        self._losses: deque[tuple[float, int]] = deque(maxlen=10 * WINDOW)
        self._drops: deque[tuple[float, int]] = deque(maxlen=10 * WINDOW)
        self._causes: Counter[tuple[LocalizationState, Cause]] = Counter()
        self._summarized = _Totals(0, 0, 0, Counter())
        self._arrivals: deque[float] = deque(maxlen=10 * WINDOW)
        self._answers: deque[float] = deque(maxlen=10 * WINDOW)
        self._bad_time: float | None = None
        self._last_bad = ''
        self._last_stamp_ns: int | None = None
        self._backwards = 0
        self._backwards_time: float | None = None
        self._last_jump = 0.0
        self._repeated_time: float | None = None
        self._ahead: float | None = None
        self._timings: deque[Mapping[str, float]] = deque(maxlen=WINDOW)
        self._recognition: Recognition | None = None

    def received(self, stamp_ns: int, now_ns: int, lost: int) -> None:
        """An image arrived.

        Args:
            stamp_ns: its stamp in nanoseconds.
            now_ns: time of the node's clock in nanoseconds.
            lost: how many images between its predecessor and it did not arrive.
        """
        with self._lock:
            self._received += 1
            self._lost += lost
            if lost:
                self._losses.append((time.monotonic(), lost))
            self._arrivals.append(time.monotonic())
            self._ahead = (stamp_ns - now_ns) / 1e9
            if self._last_stamp_ns is not None and stamp_ns < self._last_stamp_ns:
                self._backwards += 1
                self._backwards_time = time.monotonic()
                self._last_jump = (self._last_stamp_ns - stamp_ns) / 1e9
            if stamp_ns == self._last_stamp_ns:
                self._repeated_time = time.monotonic()
            self._last_stamp_ns = stamp_ns

    def dropped(self, count: int) -> None:
        """Images were dropped without an answer."""
        with self._lock:
            self._dropped += count
            if count:
                self._drops.append((time.monotonic(), count))

    def bad(self, reason: str) -> None:
        """An image could not be decoded or recognized, for a reason."""
        with self._lock:
            self._bad += 1
            self._bad_time = time.monotonic()
            self._last_bad = reason

    def answered(self, recognition: Recognition, timings: Mapping[str, float]) -> None:
        """An image was answered; `timings` are seconds by stage."""
        with self._lock:
            self._answered += 1
            self._causes[recognition.state, recognition.explanation.cause] += 1
            self._answers.append(time.monotonic())
            self._recognition = recognition
            self._timings.append(timings)

    def snapshot(self) -> Snapshot:
        """All counts at one moment, consistent with each other."""
        with self._lock:
            last = self._recognition
            return Snapshot(
                received=self._received,
                lost=self._lost,
                lost_lately=_lately(self._losses),
                answered=self._answered,
                dropped=self._dropped,
                received_lately=_lately((moment, 1) for moment in self._arrivals),
                dropped_lately=_lately(self._drops),
                bad=self._bad,
                waiting=self._received - self._answered - self._dropped - self._bad,
                image_age=_age(self._arrivals[-1] if self._arrivals else None),
                answer_age=_age(self._answers[-1] if self._answers else None),
                bad_age=_age(self._bad_time),
                last_bad=self._last_bad,
                backwards=self._backwards,
                backwards_age=_age(self._backwards_time),
                last_jump=self._last_jump,
                repeated_age=_age(self._repeated_time),
                ahead=self._ahead,
                unstamped=self._last_stamp_ns == 0,
                state=LocalizationState.UNKNOWN if last is None else last.state,
                explanation=Explanation() if last is None else last.explanation,
                causes=dict(self._causes),
                quality=1.0 if last is None else last.image_quality,
                quality_reason='' if last is None else last.quality_reason,
                rates={'received': _rate(self._arrivals), 'answered': _rate(self._answers)},
                latency=_percentiles(list(self._timings)),
            )

    def take_summary(self) -> str:
        """What happened to the images since the last summary, in words; empty without any."""
        with self._lock:
            now = _Totals(self._received, self._dropped, self._bad, Counter(self._causes))
            before, self._summarized = self._summarized, now
        received, causes = now.received - before.received, now.causes - before.causes
        if not received and not causes:
            return ''
        states = []
        for state in reversed(LocalizationState):
            of_state = [(n, cause) for (each, cause), n in causes.most_common() if each is state]
            if not of_state:
                continue
            told = [f'{n} {cause.in_words}' for n, cause in of_state]
            why = '' if state is LocalizationState.LOCALIZED else f' ({", ".join(told)})'
            states.append(f'{state.name} {sum(n for n, _ in of_state)}{why}')
        dropped, bad = now.dropped - before.dropped, now.bad - before.bad
        return (
            f'images since the last summary: {received} received, {causes.total()} answered, '
            f'{dropped} dropped, {bad} bad; ' + ('; '.join(states) or 'no answer')
        )


class _Totals(NamedTuple):
    """Counts at the last summary."""

    received: int
    dropped: int
    bad: int
    causes: Counter[tuple[LocalizationState, Cause]]


def _lately(events: Iterable[tuple[float, int]]) -> int:
    """How many events within the last RATE_SPAN seconds, of (moment, number)."""
    now = time.monotonic()
    return sum(number for moment, number in events if now - moment <= RATE_SPAN)


def _age(moment: float | None) -> float | None:
    return None if moment is None else time.monotonic() - moment


def _rate(moments: deque[float]) -> float:
    """Events per second within the last RATE_SPAN seconds."""
    now = time.monotonic()
    recent = [moment for moment in moments if now - moment <= RATE_SPAN]
    if len(recent) < 2:
        return 0.0
    return (len(recent) - 1) / max(now - recent[0], 1e-3)


def _percentiles(timings: list[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    stages = dict.fromkeys(stage for timing in timings for stage in timing)
    result = {}
    for stage in stages:
        seconds = [timing[stage] for timing in timings if stage in timing]
        median, high = np.percentile(seconds, [50, 95])
        result[stage] = (float(median), float(high))
    return result
