"""Feedback of a SLAM back-end to loop closures: moves the threshold, and is stored."""

from __future__ import annotations

import json
import logging
import math
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fol_vpr.database import FEEDBACK, MapReader
from fol_vpr.datatypes import LoopClosure
from fol_vpr.errors import MapError
from fol_vpr.json_text import parse_json
from fol_vpr.loop_closure.publication import AdaptiveThreshold

log = logging.getLogger(__name__)

# Largest number of closures that feedback is accepted for, and of answers that are stored.
MAX_PENDING = 10_000
MAX_ANSWERS = 1000
REASON_LENGTH = 200
VERSION = 1
UNUSED = 'unused'
"""Start of the reason of a rejection whose closure is right, but of no use to the back-end."""


@dataclass(frozen=True)
class FeedbackCounts:
    """Number of closures by the feedback to them.

    Attributes:
        published: closures published.
        accepted: closures that the back-end accepted.
        rejected: closures that it rejected as wrong.
        unused: closures that it rejected as right but of no use; not among `rejected`.
        ignored: answers to closures that were not published, or were answered already.
        last_ignored: message about the last ignored answer.
        threshold: evidence in bits that a closure needs, see `publication`.
    """

    published: int = 0
    accepted: int = 0
    rejected: int = 0
    unused: int = 0
    ignored: int = 0
    last_ignored: str = ''
    threshold: float = 0.0


class FeedbackLedger:
    """Matches answers to closures, and moves the threshold by them. For several threads.

    Args:
        threshold: is moved by the answers.
    """

    def __init__(self, threshold: AdaptiveThreshold) -> None:
        self._threshold = threshold
        self._lock = threading.Lock()
        self._open: dict[int, LoopClosure] = {}
        self._accepted: dict[int, LoopClosure] = {}
        self._last_id = 0
        self._counts: dict[str, int] = dict.fromkeys(
            ('published', 'accepted', 'rejected', 'unused', 'ignored'), 0
        )
        self._last_ignored = ''
        self._answers: deque[dict[str, Any]] = deque(maxlen=MAX_ANSWERS)
        self._started = False

    def start_at(self, threshold: float | None) -> bool:
        """Start at the threshold of an earlier drive, unless this one has started already.

        Args:
            threshold: of that drive; None where there is none.

        Returns:
            Whether the threshold was set.
        """
        with self._lock:
            if threshold is None or self._started:
                return False
            self._started = True
            self._threshold.set(threshold)
            return True

    def add(self, closure: LoopClosure) -> None:
        """Record a published closure, whose answer may come later."""
        with self._lock:
            self._counts['published'] += 1
            self._last_id = closure.candidate_id
            self._open[closure.candidate_id] = closure
            _bound(self._open)

    def record_answer(self, candidate_id: int, accepted: bool, reason: str = '') -> str:
        """Record an answer to a closure; an accepted one may be rejected later, once.

        Returns:
            Why it is ignored; empty where it counts.
        """
        with self._lock:
            closure = self._open.pop(candidate_id, None)
            if closure is None and not accepted:
                closure = self._accepted.pop(candidate_id, None)
                self._counts['accepted'] -= closure is not None
            if closure is None:
                return self._ignore(candidate_id)
            unused = not accepted and reason.strip().lower().startswith(UNUSED)
            status = 'accepted' if accepted else UNUSED if unused else 'rejected'
            self._counts[status] += 1
            if accepted:
                self._accepted[candidate_id] = closure
                _bound(self._accepted)
            if not unused:
                self._started = True
                self._threshold.learn(rejected=not accepted)
            self._answers.append(
                {
                    'session_to': closure.session_to,
                    'stamp_from_ns': closure.stamp_from_ns,
                    'stamp_to_ns': closure.stamp_to_ns,
                    'status': status,
                    'reason': reason[:REASON_LENGTH],
                }
            )
            return ''

    def _ignore(self, candidate_id: int) -> str:
        self._counts['ignored'] += 1
        self._last_ignored = (
            f'feedback to loop closure {candidate_id}, which was answered already or never '
            f'published (the last one was {self._last_id}): answer each once, by its candidate_id'
        )
        return self._last_ignored

    @property
    def counts(self) -> FeedbackCounts:
        """The counts so far."""
        with self._lock:
            return FeedbackCounts(
                **self._counts, last_ignored=self._last_ignored, threshold=self._threshold.value
            )

    def to_json(self) -> str:
        """Counts, threshold and the last answers, for the file of the session."""
        with self._lock:
            return json.dumps(
                {
                    'version': VERSION,
                    **self._counts,
                    'threshold': self._threshold.value,
                    'answers': list(self._answers),
                }
            )


def threshold_from_rows(rows: Mapping[str, str], path: str | Path) -> float | None:
    """The threshold in the calibration table of a map; None where it has none.

    One that cannot be read is ignored with a warning in the log.
    """
    if FEEDBACK not in rows:
        return None
    try:
        found = parse_json(rows[FEEDBACK])
        if found['version'] != VERSION:
            raise ValueError(f'it is of version {found["version"]}, expected {VERSION}')
        threshold = float(found['threshold'])
        if not math.isfinite(threshold):
            raise ValueError(f'its threshold is {threshold}')
    except (KeyError, TypeError, ValueError) as error:
        log.warning('the loop closure feedback in %s is not taken up (%s)', path, error)
        return None
    return threshold


def threshold_from_session(path: Path, model_id: str) -> float | None:
    """The threshold that the feedback to an earlier drive led to, with the same network."""
    try:
        with MapReader(path) as reader:
            # With another network as many matches mean something else.
            same = reader.info.model_id == model_id
            return threshold_from_rows(reader.calibration(), path) if same else None
    except MapError as error:
        log.warning('the loop closure feedback of the drive before is not taken up: %s', error)
        return None


def _bound(closures: dict[int, LoopClosure]) -> None:
    """Forget the oldest one where there are too many."""
    if len(closures) > MAX_PENDING:
        del closures[next(iter(closures))]
