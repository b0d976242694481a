"""What happened to the images: every one is answered, dropped, lost, bad or still waiting."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fol_vpr.datatypes import LocalizationState, Recognition

# Long enough for stable percentiles, short enough to show a change within seconds.
WINDOW = 200
RATE_SPAN = 10.0


@dataclass(frozen=True)
class Snapshot:
    """The state of affairs at one moment. Ages are seconds; None where it never happened.

    Attributes:
        received: images that reached the node; answered + dropped + bad + waiting.
        lost: images that their publisher sent and that never reached the node.
        lost_lately: those of them that were noticed within the last RATE_SPAN seconds.
        dropped: overtaken by newer ones, or waiting when the node was stopped or disabled.
        bad: could not be decoded or recognised.
        last_bad: why the last one was.
        backwards: images with a stamp before that of their predecessor.
        repeated_age: since an image had the stamp of its predecessor.
        last_jump: seconds by which the last of them went back.
        ahead: seconds by which the last image's stamp was ahead of the clock; negative is behind.
        rates: images per second over the last seconds: `received`, `answered`.
        latency: (median, 95th percentile) seconds by stage over the last images.
    """

    received: int
    lost: int
    lost_lately: int
    answered: int
    dropped: int
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
    quality: float
    quality_reason: str
    rates: Mapping[str, float]
    latency: Mapping[str, tuple[float, float]]


class Monitor:
    """Keeps the counts; may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received = self._lost = self._answered = self._dropped = self._bad = 0
        self._losses: deque[tuple[float, int]] = deque(maxlen=10 * WINDOW)
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
            stamp_ns: its stamp.
            now_ns: the node's clock.
            lost: images between it and its predecessor that did not arrive.
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
        """Images were thrown away unanswered."""
        with self._lock:
            self._dropped += count

    def bad(self, reason: str) -> None:
        """An image could not be used."""
        with self._lock:
            self._bad += 1
            self._bad_time = time.monotonic()
            self._last_bad = reason

    def answered(self, recognition: Recognition, timings: Mapping[str, float]) -> None:
        """An image was answered; `timings` are seconds by stage."""
        with self._lock:
            self._answered += 1
            self._answers.append(time.monotonic())
            self._recognition = recognition
            self._timings.append(timings)

    def snapshot(self) -> Snapshot:
        """All of it, consistent with itself."""
        with self._lock:
            last = self._recognition
            return Snapshot(
                received=self._received,
                lost=self._lost,
                lost_lately=sum(n for t, n in self._losses if time.monotonic() - t <= RATE_SPAN),
                answered=self._answered,
                dropped=self._dropped,
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
                quality=1.0 if last is None else last.image_quality,
                quality_reason='' if last is None else last.quality_reason,
                rates={'received': _rate(self._arrivals), 'answered': _rate(self._answers)},
                latency=_percentiles(list(self._timings)),
            )


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
