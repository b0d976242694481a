"""From verified hypotheses to published loop closures: each once, where it is informative.

A revisit is first observed: an image and an older one are verified to show the same place. It is
published once the images after it agree. Closures near a published one are published only where
their information gain is large enough.

**Information gain.** Let V be the variance of the robot's position relative to the other place,
along each axis, given the odometry and the earlier closures, and R the variance of the measurement
of the closure. Its information gain is (Ila, Porta and Andrade-Cetto, "Information-Based
Compact Pose SLAM", IEEE T-RO 26(1), 2010, eq. 13: half the log ratio of the determinants of the
innovation covariance and of the measurement's)

    gain = 1/2 log2((R + V) / R)    bits.

Odometry adds variance in proportion to the path. So V is q times the path between both ends, or,
where a published closure ties the neighbourhood of one end to that of the other, at most
R + q times the distance from both ends to those of that closure; q and R are the squares of
`odometry_stddev` and `closure_stddev`. Between two sessions there is no path at first, and the
gain of the first closure is infinite.

**Evidence** is measured in bits: doublings over the minimum that verification requires, of the
inliers or, where the probability is known, of its odds. What the back-end accepts and rejects
moves the threshold t, which is never below 0 (Gibbs and Candès, "Adaptive Conformal Inference
Under Distribution Shift", NeurIPS 2021, eq. 2):

    t <- t + step * (rejected - target_rejection_rate),    rejected being 1 or 0.

In the long run the share of rejections falls to `target_rejection_rate`, whatever the criteria of
the back-end. The threshold is bounded above too, so that no back-end can suppress all closures for
good.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fol_vpr.config import LoopsConfig, VerificationConfig
from fol_vpr.datatypes import PlaceHypothesis, Verification
from fol_vpr.loop_closure.diagnosis import LoopOutcome

MAX_THRESHOLD = 3.0
"""Largest threshold in bits: eight times the minimal inliers, or odds."""
# Largest number of published closures that new ones are compared with: about a day of driving.
MAX_REMEMBERED = 20_000


@dataclass(frozen=True, eq=False)
class LoopCandidate:
    """A hypothesis that an image and an older one show the same place.

    Attributes:
        hypothesis: of the older image as the place, with its verification.
        distance: metres driven when the image was taken.
        keyframe: number of the image that was due as a keyframe last.
        place_distance: metres driven when the older image was taken; None where it belongs to
            another drive.
    """

    hypothesis: PlaceHypothesis
    distance: float
    keyframe: int
    place_distance: float | None = None


class AdaptiveThreshold:
    """The evidence that a closure needs, moved by the feedback to earlier closures.

    Attributes:
        value: bits of evidence, 0 to MAX_THRESHOLD.
    """

    def __init__(self, config: LoopsConfig) -> None:
        self.config = config
        self.value = 0.0

    def set(self, value: float) -> None:
        """Set the value, limited to 0 to MAX_THRESHOLD."""
        self.value = min(MAX_THRESHOLD, max(0.0, value))

    def learn(self, rejected: bool) -> None:
        """Move the value by an answer of the back-end."""
        error = float(rejected) - self.config.target_rejection_rate
        self.set(self.value + self.config.feedback_step * error)


def evidence_bits(
    hypothesis: PlaceHypothesis, config: LoopsConfig, verification: VerificationConfig
) -> float:
    """Evidence in bits: log2 of the odds over those of `min_probability`.

    Without a probability, log2 of the inliers over `min_inliers`.
    """
    probability = hypothesis.probability
    if math.isnan(probability):
        return math.log2(max(hypothesis.inliers, 1) / verification.min_inliers)
    return _log_odds(probability) - _log_odds(config.min_probability)


def _log_odds(probability: float) -> float:
    bounded = min(max(probability, 1e-9), 1 - 1e-9)
    return math.log2(bounded / (1 - bounded))


class PublicationPolicy:
    """Decides which candidates are published as loop closures.

    Args:
        config: settings of the publication.
        verification: `min_inliers`.
        threshold: evidence that a closure needs; the feedback moves it.
    """

    def __init__(
        self, config: LoopsConfig, verification: VerificationConfig, threshold: AdaptiveThreshold
    ) -> None:
        self._config = config
        self._verification = verification
        self._threshold = threshold
        self._run: deque[LoopCandidate] = deque(maxlen=config.consecutive)
        # The first of the consecutive images that agree and all have half of `min_inliers`.
        self._sequence_start: LoopCandidate | None = None
        self._published: dict[str, _PublishedClosures] = {}
        self._pairs: dict[tuple[int, str], None] = {}

    def set_config(self, config: LoopsConfig, verification: VerificationConfig) -> None:
        """Take other settings; published closures stay recorded."""
        self._config, self._verification = config, verification
        self._run = deque(self._run, config.consecutive)

    def confirm(self, candidates: Sequence[LoopCandidate]) -> LoopCandidate | None:
        """The revisit that this image and those before it confirm; called for every image.

        Args:
            candidates: of older keyframes of the same drive, in any order; empty where there are
                none.

        Returns:
            The best candidate, with the strongest verification that it passed; None where this
            image and those before do not confirm it.
        """
        if not candidates:
            self.reset()
            return None
        best = max(candidates, key=_strength)
        if self._run and not self._agree(self._run[-1], best):
            self.reset()
        self._run.append(best)
        if best.hypothesis.inliers < self._verification.min_inliers / 2:
            self._sequence_start = None
        elif self._sequence_start is None:
            self._sequence_start = best
        verification = self._run_verification()
        if verification is None:
            return None
        return replace(best, hypothesis=replace(best.hypothesis, verification=verification))

    def accept_map_closure(self, candidate: LoopCandidate) -> bool:
        """Whether the believed place of the loaded map is published as a closure.

        It needs a geometric verification with this image: a place that is believed only because
        of earlier images ties no two images. Evidence counts only once the feedback has raised
        the threshold.
        """
        if candidate.hypothesis.verification != Verification.GEOMETRY:
            return False
        required = self._threshold.value
        if (
            required
            and evidence_bits(candidate.hypothesis, self._config, self._verification) < required
        ):
            return False
        return self.publish(candidate)

    def publish(self, candidate: LoopCandidate) -> bool:
        """Whether a confirmed candidate is published; it is remembered as published then."""
        if self.outcome(candidate) is not LoopOutcome.PUBLISHED:
            return False
        self.remember(candidate)
        return True

    def outcome(self, candidate: LoopCandidate) -> LoopOutcome:
        """What is to become of a confirmed candidate: published, known, or not informative."""
        if self._is_known(candidate):
            return LoopOutcome.KNOWN_PAIR
        informative = self.is_informative(candidate)
        return LoopOutcome.PUBLISHED if informative else LoopOutcome.LITTLE_INFORMATION

    @property
    def is_run_verified(self) -> bool:
        """Whether as many images in a row as are needed were verified geometrically."""
        last = list(self._run)[-self._config.consecutive :]
        verified = [each.hypothesis.verification == Verification.GEOMETRY for each in last]
        return len(last) == self._config.consecutive and all(verified)

    def _run_verification(self) -> Verification | None:
        """The verification that the last images pass together; None where they pass none."""
        last = self._run[-1]
        if self.is_run_verified:
            evidence = evidence_bits(last.hypothesis, self._config, self._verification)
            return Verification.GEOMETRY if evidence >= self._threshold.value else None
        return Verification.SEQUENCE if self._is_sequence_consistent(last) else None

    def _is_sequence_consistent(self, candidate: LoopCandidate) -> bool:
        """Whether consecutive images passed their places at the speed of the robot.

        A place that resembles many images does not move along with the robot.
        """
        start, length = self._sequence_start, self._config.sequence
        if start is None or not length:
            return False
        if start.place_distance is None or candidate.place_distance is None:
            return False
        driven = candidate.distance - start.distance
        passed = abs(candidate.place_distance - start.place_distance)
        return driven >= length and abs(passed - driven) <= self._config.agreement

    def _agree(self, first: LoopCandidate, second: LoopCandidate) -> bool:
        """Whether two images in a row revisit one place, given the distance driven between them.

        Where a path was driven several times, the two may show keyframes of different rounds: far
        apart along the path, and near each other by the odometry.
        """
        places = first.hypothesis.place, second.hypothesis.place
        if first.place_distance is None or second.place_distance is None:
            return places[0].session_id == places[1].session_id
        limit = abs(second.distance - first.distance) + self._config.agreement
        if abs(second.place_distance - first.place_distance) <= limit:
            return True
        if places[0].pose is None or places[1].pose is None:
            return False
        return float(np.linalg.norm(places[0].pose.position - places[1].pose.position)) <= limit

    # ---- what was published

    def is_informative(self, candidate: LoopCandidate) -> bool:
        """Whether a closure is the first one of its keyframes, with enough information gain."""
        if self._is_known(candidate):
            return False
        return self.information_gain_bits(candidate) >= self._config.min_information_gain_bits

    def _is_known(self, candidate: LoopCandidate) -> bool:
        return (candidate.keyframe, candidate.hypothesis.place.place_id) in self._pairs

    def information_gain_bits(self, candidate: LoopCandidate) -> float:
        """Information gain in bits along each axis, see above; infinite for the first closure."""
        drift, measured = self._config.odometry_stddev**2, self._config.closure_stddev**2
        variance = math.inf
        if candidate.place_distance is not None:
            variance = drift * abs(candidate.distance - candidate.place_distance)
        closures = self._published.get(candidate.hypothesis.place.session_id)
        if closures is not None:
            variance = min(variance, measured + drift * closures.detour(candidate))
        return 0.5 * math.log2(1 + variance / measured)

    def remember(self, candidate: LoopCandidate) -> None:
        """Remember a published closure."""
        place = candidate.hypothesis.place
        self._pairs[candidate.keyframe, place.place_id] = None
        if len(self._pairs) > MAX_REMEMBERED:
            del self._pairs[next(iter(self._pairs))]
        self._published.setdefault(place.session_id, _PublishedClosures()).append(candidate)

    def reset(self) -> None:
        """Forget revisits that were observed but not published yet."""
        self._run.clear()
        self._sequence_start = None


class _PublishedClosures:
    """The published closures with one session, as rows of `_endpoints`."""

    def __init__(self) -> None:
        self._rows = np.full((64, 5), np.nan)
        self._count = 0

    def append(self, candidate: LoopCandidate) -> None:
        if self._count == len(self._rows):
            grown = np.full((min(2 * self._count, MAX_REMEMBERED), 5), np.nan)
            kept = self._rows[-len(grown) + 64 :]
            grown[: len(kept)] = kept
            self._rows, self._count = grown, len(kept)
        self._rows[self._count] = _endpoints(candidate)
        self._count += 1

    def detour(self, candidate: LoopCandidate) -> float:
        """Metres from both ends of a closure to those of the nearest published one, in sum."""
        rows, ends = self._rows[: self._count], _endpoints(candidate)
        driven = np.abs(rows[:, :2] - ends[:2])
        # Of another drive the distance along its path is unknown: the distance between the poses
        # bounds it from below, and without poses the numbers of the images stand for metres.
        straight = np.linalg.norm(rows[:, 2:] - ends[2:], axis=1)
        to = np.where(np.isnan(driven[:, 1]), straight, driven[:, 1])
        return float(np.min(driven[:, 0] + to))


def _endpoints(candidate: LoopCandidate) -> np.ndarray:
    """[5] metres driven at the image, at the place or NaN, and the place's position or number."""
    place = candidate.hypothesis.place
    place_distance = math.nan if candidate.place_distance is None else candidate.place_distance
    at = np.array([place.index, 0.0, 0.0]) if place.pose is None else place.pose.position
    return np.array([candidate.distance, place_distance, *at])


def _strength(candidate: LoopCandidate) -> tuple[bool, int, int]:
    hypothesis = candidate.hypothesis
    verified = hypothesis.verification == Verification.GEOMETRY
    return verified, hypothesis.inliers, -hypothesis.rank
