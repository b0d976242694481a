"""When to say LOCALIZED: conservative rules for maps without a calibration.

They are defaults, not probabilities: a verified pair is one that passed the epipolar test, and
a place is believed once several images in a row verified places that agree with each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import LocalizationState, Place, PlaceHypothesis, Verification

NS = 1_000_000_000
# A second place with this share of the best one's inliers explains the image about as well.
RIVAL_SHARE = 0.8


class Decision:
    """Collects evidence over consecutive images."""

    def __init__(self, config: VerificationConfig) -> None:
        self.config = config
        self._recent: deque[tuple[int, Place]] = deque(maxlen=config.consecutive)

    def reset(self) -> None:
        """Forget what was seen: after a jump in time, another map, another camera."""
        self._recent.clear()

    def judge(
        self, stamp_ns: int, hypotheses: Sequence[PlaceHypothesis], *, sequence: bool = True
    ) -> tuple[LocalizationState, PlaceHypothesis | None]:
        """State after this image, and the hypothesis that it rests on where it is LOCALIZED.

        Args:
            stamp_ns: the image's stamp; going back or a gap of over `max_gap` starts anew.
            hypotheses: best first, with their verification.
            sequence: False judges the image by itself and leaves the evidence alone; then the
                state is LOCALIZED only where one image is enough (`consecutive` is 1).
        """
        verified = [h for h in hypotheses if h.verification == Verification.GEOMETRY]
        if not verified:
            if sequence:
                self.reset()
            return LocalizationState.UNKNOWN, None
        best = max(verified, key=lambda h: (h.inliers, -h.rank))
        rivals = (
            h
            for h in verified
            if h.inliers >= RIVAL_SHARE * best.inliers and not self.same_place(h.place, best.place)
        )
        if next(rivals, None) is not None:
            if sequence:
                self.reset()
            return LocalizationState.AMBIGUOUS, None
        if not sequence:
            enough = self.config.consecutive == 1
        else:
            enough = self._remember(stamp_ns, best.place)
        return (LocalizationState.LOCALIZED, best) if enough else (LocalizationState.UNKNOWN, None)

    def _remember(self, stamp_ns: int, place: Place) -> bool:
        if self._recent:
            last_stamp, last_place = self._recent[-1]
            elapsed = stamp_ns - last_stamp
            in_time = 0 <= elapsed <= self.config.max_gap * NS
            if not in_time or not self.same_place(last_place, place):
                self.reset()
        self._recent.append((stamp_ns, place))
        return len(self._recent) == self.config.consecutive

    def same_place(self, a: Place, b: Place) -> bool:
        """Whether two references show one place: by metres where the map has positions, else by
        their order within one session.
        """
        distance = _distance(a, b)
        if distance is not None:
            return distance <= self.config.agreement_radius
        same_session = a.session_id == b.session_id
        return same_session and abs(a.index - b.index) <= self.config.agreement_index


def _distance(a: Place, b: Place) -> float | None:
    """Metres between two references, or None where one of them has no position."""
    if a.pose is not None and b.pose is not None:
        return float(np.linalg.norm(a.pose.position - b.pose.position))
    if a.geo is not None and b.geo is not None:
        return a.geo.distance(b.geo)
    return None
