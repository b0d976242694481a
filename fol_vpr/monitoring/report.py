"""The report about a watched node at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fol_vpr.monitoring.events import Answer, ClosureSeen, Level, LoadedMap, Presence, Status


@dataclass(frozen=True)
class Latency:
    """Seconds over the last answers.

    Attributes:
        median: half of them took no longer.
        high: the 95th percentile.
    """

    median: float
    high: float


@dataclass(frozen=True)
class ImageCounts:
    """Counts of images since the node was started, as it reports them.

    Attributes:
        received: images that reached the node.
        answered: whose answer was published.
        dropped: that a newer one displaced.
        bad: that could not be used.
        lost: that were sent and never reached the node.
        waiting: in the queue, and those being processed.
        dropped_share: dropped images among those received within the last seconds; None before
            two reports, or without an image.
    """

    received: int = 0
    answered: int = 0
    dropped: int = 0
    bad: int = 0
    lost: int = 0
    waiting: int = 0
    dropped_share: float | None = None


@dataclass(frozen=True)
class NodeReport:
    """What is known of a node at one moment.

    Attributes:
        name: full name of the node.
        presence: whether it is there.
        silent_for: seconds since its last message; None before the first.
        restarts: how often it was seen to start anew.
        lifecycle: label of its lifecycle state; empty while unknown.
        answer: the last one, None before the first.
        answer_age: seconds since then.
        state_age: seconds since the state changed.
        history: names of the states of the last answers, the oldest first.
        received_rate, answered_rate: images per second; None while unknown.
        counts: of the images; None before the first diagnostics.
        processing, waiting: of the last answers; None before the first.
        loaded_map: None while unknown.
        statuses: the diagnostics.
        closures: the last loop closures, the newest first, with their age in seconds.
        closures_seen: number of loop closures that were seen.
        problems: what is wrong with the watching itself, such as a type that does not fit.
    """

    name: str
    presence: Presence
    silent_for: float | None
    restarts: int
    lifecycle: str
    answer: Answer | None
    answer_age: float | None
    state_age: float | None
    history: Sequence[str]
    received_rate: float | None
    answered_rate: float | None
    counts: ImageCounts | None
    processing: Latency | None
    waiting: Latency | None
    loaded_map: LoadedMap | None
    statuses: Sequence[Status]
    closures: Sequence[tuple[float, ClosureSeen]]
    closures_seen: int
    problems: Sequence[str]

    @property
    def level(self) -> Level:
        """The worst of what is known: STALE where the node is silent or gone."""
        if self.presence != Presence.RUNNING:
            return Level.STALE
        worst = max((status.level for status in self.statuses), default=Level.OK)
        return max(worst, Level.WARN) if self.problems else worst

    @property
    def complaints(self) -> list[Status]:
        """The statuses that are not OK, the worst first."""
        bad = [status for status in self.statuses if status.level != Level.OK]
        return sorted(bad, key=lambda status: -status.level)

    def as_json(self) -> dict[str, Any]:
        """The report with plain values; times in seconds or, where the key says so, ms."""
        return {
            'node': self.name,
            'presence': self.presence.value,
            'level': self.level.name,
            'silent_for': _rounded(self.silent_for),
            'restarts': self.restarts,
            'lifecycle': self.lifecycle or None,
            'answer': self._answer(),
            'rates': {
                'received_hz': _rounded(self.received_rate),
                'answered_hz': _rounded(self.answered_rate),
            },
            'images': None if self.counts is None else _counts(self.counts),
            'latency_ms': {
                'processing': _milliseconds(self.processing),
                'waiting': _milliseconds(self.waiting),
            },
            'map': None if self.loaded_map is None else vars(self.loaded_map).copy(),
            'diagnostics': [
                {
                    'part': status.part,
                    'level': status.level.name,
                    'message': status.message,
                    'values': dict(status.values),
                }
                for status in self.statuses
            ],
            'closures_seen': self.closures_seen,
            'closures': [
                {**vars(closure), 'age': _rounded(age)} for age, closure in self.closures
            ],
            'problems': list(self.problems),
        }

    def _answer(self) -> dict[str, Any] | None:
        if self.answer is None:
            return None
        fields = {key: _rounded(value, 6) for key, value in vars(self.answer).items()}
        ages = {'age': _rounded(self.answer_age), 'state_age': _rounded(self.state_age)}
        return {**fields, **ages}


def _counts(counts: ImageCounts) -> dict[str, Any]:
    return {key: _rounded(value) for key, value in vars(counts).items()}


def _milliseconds(latency: Latency | None) -> dict[str, float] | None:
    if latency is None:
        return None
    return {'p50': round(latency.median * 1e3, 1), 'p95': round(latency.high * 1e3, 1)}


def _rounded(value: Any, digits: int = 3) -> Any:
    return round(value, digits) if isinstance(value, float) else value
