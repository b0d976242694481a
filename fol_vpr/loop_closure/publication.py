"""From verified hypotheses to published loop closures: each once, and only where it tells much.

A loop goes through two stages in time. It is first observed: an image and an older one were
verified as the same place. It is published once the images after it agree; then it is over, and
what comes near it is published only where it tells something new.

**How much a closure tells.** With the variance V of where the robot is against the other place,
along each axis, as far as the odometry and the closures before know it, and the variance R of what
the closure measures, its information gain is (Ila, Porta and Andrade-Cetto, "Information-Based
Compact Pose SLAM", IEEE T-RO 26(1), 2010, eq. 13: half the log ratio of the determinants of the
innovation covariance and of the measurement's)

    gain = 1/2 log2((R + V) / R)    bits.

Odometry adds variance in proportion to the path. So V is q times the path between both ends, or,
where a published closure ties the neighbourhood of one end to that of the other, at most
R + q times the way from both ends to those of that closure; q and R are the squares of
`odometry_stddev` and `closure_stddev`. Between two sessions there is no path at first, and the
first closure tells everything.

**What is enough evidence** is measured in doublings over the least that verification asks for: of
the inliers, or, where the probability is known, of its odds. What the back-end accepts and rejects
moves the threshold t, which is never below 0 (Gibbs and Candès, "Adaptive Conformal Inference
Under Distribution Shift", NeurIPS 2021, eq. 2):

    t <- t + step * (rejected - target_rejection_rate),    rejected being 1 or 0.

In the long run the share of rejections comes down to `target_rejection_rate`, whatever the
back-end goes by; it is bounded above too, so that no back-end can silence the closures for ever.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fol_vpr.config import LoopsConfig, VerificationConfig
from fol_vpr.datatypes import PlaceHypothesis, Verification

MAX_THRESHOLD = 3.0
"""Doublings that the threshold may rise to: eight times the inliers, or the odds."""
# Closures that are remembered, by each of both ends: a day of driving, and a bound all the same.
REMEMBERED = 20_000


@dataclass(frozen=True, eq=False)
class LoopCandidate:
    """An image that shows what an older one shows.

    Attributes:
        hypothesis: with its verification.
        path: metres driven when the image was taken.
        keyframe: number of the image that was due as a keyframe last, in their order.
        place_path: metres driven when the older image was taken, in the same drive; None where it
            belongs to another one.
    """

    hypothesis: PlaceHypothesis
    path: float
    keyframe: int
    place_path: float | None = None


class Threshold:
    """The evidence that a closure needs, moved by what became of those before.

    Attributes:
        value: doublings over the least evidence, 0 to MAX_THRESHOLD.
    """

    def __init__(self, config: LoopsConfig) -> None:
        self.config = config
        self.value = 0.0

    def set(self, value: float) -> None:
        """Take another value, or the nearest one that it may have."""
        self.value = min(MAX_THRESHOLD, max(0.0, value))

    def learn(self, rejected: bool) -> None:
        """Take note of an answer of the back-end."""
        error = float(rejected) - self.config.target_rejection_rate
        self.set(self.value + self.config.feedback_step * error)


def evidence(
    hypothesis: PlaceHypothesis, config: LoopsConfig, verification: VerificationConfig
) -> float:
    """Doublings of the odds over those of `min_probability`, or of inliers over `min_inliers`."""
    probability = hypothesis.probability
    if math.isnan(probability):
        return math.log2(max(hypothesis.inliers, 1) / verification.min_inliers)
    return _log_odds(probability) - _log_odds(config.min_probability)


def _log_odds(probability: float) -> float:
    bounded = min(max(probability, 1e-9), 1 - 1e-9)
    return math.log2(bounded / (1 - bounded))


class ClosureGate:
    """Decides which candidates are published as loop closures.

    Args:
        config: when, and how often.
        verification: the least inliers.
        threshold: how much evidence it takes; shared with whoever hears the feedback.
    """

    def __init__(
        self, config: LoopsConfig, verification: VerificationConfig, threshold: Threshold
    ) -> None:
        self._config = config
        self._verification = verification
        self._threshold = threshold
        self._run: deque[LoopCandidate] = deque(maxlen=config.consecutive)
        # Where the images began that all have half the inliers, and agree.
        self._supported: LoopCandidate | None = None
        self._published: dict[str, _Closures] = {}
        self._pairs: dict[tuple[int, str], None] = {}

    def set_config(self, config: LoopsConfig, verification: VerificationConfig) -> None:
        """Take other settings; what was published stays so."""
        self._config, self._verification = config, verification
        self._run = deque(self._run, config.consecutive)

    def confirm(self, candidates: Sequence[LoopCandidate]) -> LoopCandidate | None:
        """What an image of the drive shows again for certain; called for every image.

        Args:
            candidates: of older keyframes of the same drive, in any order; empty where there are
                none.

        Returns:
            One of them, with what it is verified by; None where this image and those before do
            not verify any.
        """
        if not candidates:
            self.reset()
            return None
        best = max(candidates, key=_strength)
        if self._run and not self._agree(self._run[-1], best):
            self.reset()
        self._run.append(best)
        if best.hypothesis.inliers < self._verification.min_inliers / 2:
            self._supported = None
        elif self._supported is None:
            self._supported = best
        verification = self._verified()
        if verification is None:
            return None
        return replace(best, hypothesis=replace(best.hypothesis, verification=verification))

    def accept_map_closure(self, candidate: LoopCandidate) -> bool:
        """Whether a place of another session, believed already, is published as a closure.

        What is believed for the images before, though this one does not show it, ties no two
        images. Evidence is looked at only once the feedback has raised the threshold.
        """
        if candidate.hypothesis.verification != Verification.GEOMETRY:
            return False
        least = self._threshold.value
        if least and evidence(candidate.hypothesis, self._config, self._verification) < least:
            return False
        return self.publish(candidate)

    def publish(self, candidate: LoopCandidate) -> bool:
        """Whether what is certain is published as a closure; it is remembered as one then."""
        if not self.is_informative(candidate):
            return False
        self.remember(candidate)
        return True

    def _verified(self) -> Verification | None:
        """What the last images verify together, None where it is too little."""
        config, run = self._config, list(self._run)
        best = run[-1].hypothesis
        lately = run[-config.consecutive :]
        geometric = [s.hypothesis.verification == Verification.GEOMETRY for s in lately]
        if len(lately) == config.consecutive and all(geometric):
            enough = evidence(best, config, self._verification) >= self._threshold.value
            return Verification.GEOMETRY if enough else None
        return Verification.SEQUENCE if self._passed_alike(run[-1]) else None

    def _passed_alike(self, candidate: LoopCandidate) -> bool:
        """Whether the images since the run began passed the places as fast as the robot drove.

        A place that many images resemble stays where it is.
        """
        begin, length = self._supported, self._config.sequence
        if begin is None or not length:
            return False
        if begin.place_path is None or candidate.place_path is None:
            return False
        driven = candidate.path - begin.path
        passed = abs(candidate.place_path - begin.place_path)
        return driven >= length and abs(passed - driven) <= self._config.agreement

    def _agree(self, first: LoopCandidate, second: LoopCandidate) -> bool:
        """Whether two images in a row came back to one place, by how far the robot has driven.

        On ground that was driven often the two may show keyframes of different rounds: far apart
        along the path, and near each other by the odometry.
        """
        places = first.hypothesis.place, second.hypothesis.place
        if first.place_path is None or second.place_path is None:
            return places[0].session_id == places[1].session_id
        limit = abs(second.path - first.path) + self._config.agreement
        if abs(second.place_path - first.place_path) <= limit:
            return True
        if places[0].pose is None or places[1].pose is None:
            return False
        return float(np.linalg.norm(places[0].pose.position - places[1].pose.position)) <= limit

    # ---- what was published

    def is_informative(self, candidate: LoopCandidate) -> bool:
        """Whether a closure would be the first one of its keyframes, and tell enough."""
        place = candidate.hypothesis.place
        if (candidate.keyframe, place.place_id) in self._pairs:
            return False
        return self.gain(candidate) >= self._config.min_information_gain_bits

    def gain(self, candidate: LoopCandidate) -> float:
        """Bits that a closure tells for each axis, see above; infinite for the first one."""
        drift, measured = self._config.odometry_stddev**2, self._config.closure_stddev**2
        variance = math.inf
        if candidate.place_path is not None:
            variance = drift * abs(candidate.path - candidate.place_path)
        closures = self._published.get(candidate.hypothesis.place.session_id)
        if closures is not None:
            variance = min(variance, measured + drift * closures.detour(candidate))
        return 0.5 * math.log2(1 + variance / measured)

    def remember(self, candidate: LoopCandidate) -> None:
        """Remember a closure that is published."""
        place = candidate.hypothesis.place
        self._pairs[candidate.keyframe, place.place_id] = None
        if len(self._pairs) > REMEMBERED:
            del self._pairs[next(iter(self._pairs))]
        self._published.setdefault(place.session_id, _Closures()).append(candidate)

    def reset(self) -> None:
        """Forget what was observed and not published yet."""
        self._run.clear()
        self._supported = None


class _Closures:
    """The closures with one other session, as rows to compare with."""

    def __init__(self) -> None:
        self._rows = np.full((64, 5), np.nan)
        self._count = 0

    def append(self, candidate: LoopCandidate) -> None:
        if self._count == len(self._rows):
            grown = np.full((min(2 * self._count, REMEMBERED), 5), np.nan)
            kept = self._rows[-len(grown) + 64 :]
            grown[: len(kept)] = kept
            self._rows, self._count = grown, len(kept)
        self._rows[self._count] = _ends(candidate)
        self._count += 1

    def detour(self, candidate: LoopCandidate) -> float:
        """Metres from both ends of a closure to those of the nearest one, together."""
        rows, ends = self._rows[: self._count], _ends(candidate)
        ways = np.abs(rows[:, :2] - ends[:2])
        # Where the other drive's path is not known, its poses tell at least how far it went, and
        # where it has none, the order of its images.
        straight = np.linalg.norm(rows[:, 2:] - ends[2:], axis=1)
        to = np.where(np.isnan(ways[:, 1]), straight, ways[:, 1])
        return float(np.min(ways[:, 0] + to))


def _ends(candidate: LoopCandidate) -> np.ndarray:
    """Path at the image, path at the place or NaN, and the place's position or its number."""
    place = candidate.hypothesis.place
    path = math.nan if candidate.place_path is None else candidate.place_path
    at = np.array([place.index, 0.0, 0.0]) if place.pose is None else place.pose.position
    return np.array([candidate.path, path, *at])


def _strength(candidate: LoopCandidate) -> tuple[bool, int, int]:
    hypothesis = candidate.hypothesis
    verified = hypothesis.verification == Verification.GEOMETRY
    return verified, hypothesis.inliers, -hypothesis.rank
