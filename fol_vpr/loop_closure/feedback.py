"""What a SLAM back-end made of the loop closures: learned from, and remembered."""

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
from fol_vpr.loop_closure.publication import Threshold

log = logging.getLogger(__name__)

# Closures whose answer is waited for, and answers that are kept: a bound, not an aim.
WAITED_FOR = 10_000
KEPT = 1000
REASON_LENGTH = 200
VERSION = 1
UNUSED = 'unused'
"""What the reason of a rejection begins with that finds a closure right, but of no use."""


@dataclass(frozen=True)
class FeedbackCounts:
    """Closures published, and what was answered.

    Attributes:
        unused: rejected as of no use, not as wrong; not among `rejected`.
        ignored: answers to closures that nobody published, or that were answered already.
        last_ignored: what was wrong with the last of those.
        threshold: evidence that a closure needs, see `verification.closures`.
    """

    published: int = 0
    accepted: int = 0
    rejected: int = 0
    unused: int = 0
    ignored: int = 0
    last_ignored: str = ''
    threshold: float = 0.0


class FeedbackLedger:
    """Pairs answers with closures, and moves the threshold by them; for several threads.

    Args:
        threshold: is moved by the answers.
    """

    def __init__(self, threshold: Threshold) -> None:
        self._threshold = threshold
        self._lock = threading.Lock()
        self._open: dict[int, LoopClosure] = {}
        self._accepted: dict[int, LoopClosure] = {}
        self._last_id = 0
        self._counts: dict[str, int] = dict.fromkeys(
            ('published', 'accepted', 'rejected', 'unused', 'ignored'), 0
        )
        self._last_ignored = ''
        self._answers: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._begun = False

    def begin(self, threshold: float | None) -> bool:
        """Begin where an earlier drive ended, unless this one has begun already.

        Args:
            threshold: of that drive; None where there is none.

        Returns:
            Whether it is taken.
        """
        with self._lock:
            if threshold is None or self._begun:
                return False
            self._begun = True
            self._threshold.set(threshold)
            return True

    def published(self, closure: LoopClosure) -> None:
        """Wait for the answer to a closure."""
        with self._lock:
            self._counts['published'] += 1
            self._last_id = closure.candidate_id
            self._open[closure.candidate_id] = closure
            _bound(self._open)

    def answered(self, candidate_id: int, accepted: bool, reason: str = '') -> str:
        """Take note of an answer; what was accepted may be rejected later, once.

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
                self._begun = True
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
        """The state of affairs."""
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


def threshold_of(rows: Mapping[str, str], path: str | Path) -> float | None:
    """The threshold in the calibration table of a map; None where feedback left none.

    One that cannot be read is left out with a warning: it is not worth a drive.
    """
    if FEEDBACK not in rows:
        return None
    try:
        found = json.loads(rows[FEEDBACK])
        if found['version'] != VERSION:
            raise ValueError(f'it is of version {found["version"]}, expected {VERSION}')
        threshold = float(found['threshold'])
        if not math.isfinite(threshold):
            raise ValueError(f'its threshold is {threshold}')
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        log.warning('the loop closure feedback in %s is not taken up (%s)', path, error)
        return None
    return threshold


def threshold_of_drive(path: Path, model_id: str) -> float | None:
    """The threshold that the feedback to an earlier drive led to, with the same network."""
    try:
        with MapReader(path) as reader:
            # With another network as many matches mean something else.
            same = reader.info.model_id == model_id
            return threshold_of(reader.calibration(), path) if same else None
    except MapError as error:
        log.warning('the loop closure feedback of the drive before is not taken up: %s', error)
        return None


def _bound(closures: dict[int, LoopClosure]) -> None:
    """Forget the oldest one where there are too many."""
    if len(closures) > WAITED_FOR:
        del closures[next(iter(closures))]
