"""What an image amounts to: LOCALIZED, NOT_IN_MAP, AMBIGUOUS or UNKNOWN.

The evidence of the image becomes likelihood ratios, the filter turns those of all images so far
into a belief, the calibration turns the belief into probabilities, and the setting `probability`
says how probable a statement has to be.

A map without a calibration takes the same path with `calibration.DEFAULTS`. These order the
places, but the result is not a probability: none is published, LOCALIZED also needs a place that
passed the geometric verification, and NOT_IN_MAP is never given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import LocalizationState, Place, PlaceHypothesis, Verification
from fol_vpr.decision.calibration import DEFAULTS, Calibration
from fol_vpr.decision.evidence import Observation, PlaceEvidence, collect_evidence
from fol_vpr.decision.filter import Belief, PlaceFilter, PlaceLikelihood
from fol_vpr.decision.motion import RobotMotion
from fol_vpr.decision.places import NEIGHBOUR_FACTOR, Locations

NS = 1_000_000_000
# Two images are never identical: noise, people and light change.
MIN_NOVELTY = 0.1
# Motion after which an image is entirely new: this share of a place's radius, or this turn in
# degrees.
NOVEL_RADIUS_SHARE, NOVEL_TURN = 0.5, 30.0
# A place is a rival of the leading one from this share of its belief.
RIVAL_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class LocalizationResult:
    """The decision on an image, given all images before it.

    Attributes:
        state: of the localization.
        believed: the hypothesis that LOCALIZED rests on; None in any other state.
        p_not_in_map: probability that the map does not have the place; NaN where uncalibrated.
        probabilities: by `Place.index` of the references of the leading places; empty where
            uncalibrated.
        p_other_place: probability of any one other place; NaN where uncalibrated.
        belief: of the filter, before it is turned into probabilities; the calibration is fitted
            to it.
        evidence: of each of the places in `belief.probabilities`.
    """

    state: LocalizationState
    believed: PlaceHypothesis | None = None
    p_not_in_map: float = math.nan
    probabilities: dict[int, float] = field(default_factory=dict)
    p_other_place: float = math.nan
    belief: Belief | None = None
    evidence: tuple[PlaceEvidence, ...] = ()

    def probability(self, place: Place) -> float:
        """Probability that a place is the right one; NaN where uncalibrated."""
        return self.probabilities.get(place.index, self.p_other_place)


class Decision:
    """Decides on the images of a stream, one after the other.

    Args:
        config: how probable a statement has to be, and over how many images.
        calibration: of the loaded map, or None.
    """

    def __init__(self, config: VerificationConfig, calibration: Calibration | None = None) -> None:
        self.config = config
        self.calibration = calibration
        self._filter = self._new_filter()
        self._last: Observation | None = None

    @property
    def calibrated(self) -> bool:
        """Whether the results have probabilities."""
        return self.calibration is not None

    @property
    def _calibration_or_default(self) -> Calibration:
        return self.calibration or DEFAULTS

    def _new_filter(self) -> PlaceFilter:
        calibration = self._calibration_or_default
        return PlaceFilter(self.config, calibration.miss_rate, 1 / calibration.repeat_rate)

    def reset(self) -> None:
        """Forget all images: after a jump in time, or with another map or camera."""
        self._filter.reset()
        self._last = None

    def update(self, observation: Observation, *, sequence: bool = True) -> LocalizationResult:
        """Decide on the next image.

        Args:
            observation: of the image. A stamp before that of the image before, or more than
                `max_gap` seconds after it, resets the filter first.
            sequence: False decides on the image by itself and leaves the filter unchanged; then
                the state is LOCALIZED only where one image is enough (`consecutive` is 1).
        """
        evidence = collect_evidence(observation, self.config)
        ratios = [self._calibration_or_default.log_ratio(each.features) for each in evidence]
        likelihoods = [
            PlaceLikelihood(each.best.place, ratio)
            for each, ratio in zip(evidence, ratios, strict=True)
        ]
        if sequence:
            novelty = self._predict(observation)
            belief = self._filter.update(likelihoods, novelty * observation.quality)
            self._last = observation
        else:
            belief = self._new_filter().update(likelihoods, observation.quality)
        result = self._result(evidence, ratios, belief)
        if observation.quality > 0:
            return result
        # The belief stays, but an unusable image itself shows nothing.
        return replace(result, state=LocalizationState.UNKNOWN, believed=None)

    def _predict(self, observation: Observation) -> float:
        """Predict the belief at an image; returns the novelty of the image, 0 to 1."""
        last = self._last
        if last is None:
            return 1.0
        elapsed = observation.stamp_ns - last.stamp_ns
        if not 0 <= elapsed <= self.config.max_gap * NS:
            self.reset()
            return 1.0
        motion = RobotMotion.between(last.odometry, observation.odometry, elapsed / NS)
        novelty = self._novelty(last, observation, motion)
        self._filter.predict(motion, novelty)
        return novelty

    def _novelty(self, last: Observation, observation: Observation, motion: RobotMotion) -> float:
        """How different an image is from the one before, by its descriptor and by the motion.

        The dissimilarity of the descriptors is relative to that of the median candidate, which
        shows another place.
        """
        measures = []
        if motion.metres is not None and motion.degrees is not None:
            distance = NOVEL_RADIUS_SHARE * self.config.place_radius
            measures.append(motion.metres / distance if distance > 0 else 1.0)
            measures.append(motion.degrees / NOVEL_TURN)
        if last.descriptor is not None and observation.descriptor is not None:
            similarity = float(np.dot(last.descriptor, observation.descriptor))
            reference = 1 - observation.median_similarity
            measures.append((1 - similarity) / reference if reference > 0 else 0.0)
        return min(1.0, max(MIN_NOVELTY, *measures)) if measures else 1.0

    def _result(
        self, evidence: list[PlaceEvidence], ratios: list[float], belief: Belief
    ) -> LocalizationResult:
        calibration, required = self._calibration_or_default, self.config.probability
        probabilities = [
            calibration.place_scaling.probability(probability, share)
            for probability, share in zip(belief.probabilities, belief.shares, strict=True)
        ]
        p_outside = calibration.outside_scaling.probability(belief.p_outside_map)
        order = sorted(range(len(evidence)), key=lambda i: -probabilities[i])
        best = order[0] if order else None
        state, believed = LocalizationState.UNKNOWN, None
        if best is not None and self._is_certain(
            evidence[best], probabilities[best], belief.images[best]
        ):
            state, believed = LocalizationState.LOCALIZED, evidence[best].best
        elif (
            self.calibrated
            and p_outside >= required
            and belief.total_images >= self.config.consecutive
        ):
            state = LocalizationState.NOT_IN_MAP
        elif self._is_ambiguous(
            [(evidence[i], ratios[i], belief.probabilities[i]) for i in order]
        ):
            state = LocalizationState.AMBIGUOUS
        if not self.calibrated:
            return LocalizationResult(state, believed, belief=belief, evidence=tuple(evidence))
        by_index = {
            index: probabilities[number]
            for number, each in enumerate(evidence)
            for index in each.members
        }
        p_other_place = min(
            belief.p_unvisited * calibration.repeat_rate, 1 - max(probabilities, default=0.0)
        )
        return LocalizationResult(
            state, believed, p_outside, by_index, p_other_place, belief, tuple(evidence)
        )

    def _is_ambiguous(self, ordered: Sequence[tuple[PlaceEvidence, float, float]]) -> bool:
        """Whether two places that are no neighbours explain the image about equally well.

        Args:
            ordered: evidence, log likelihood ratio and belief of each place, the most probable
                first.
        """
        if not ordered:
            return False
        (leader, ratio, first), *others = ordered
        places = Locations([each.best.place for each, _, _ in others])
        near = places.same(leader.best.place, self.config, radius_factor=NEIGHBOUR_FACTOR)
        rivals = [rest[1:] for rest, is_near in zip(others, near, strict=True) if not is_near]
        if not rivals or min(ratio, rivals[0][0]) <= 0:
            return False
        second = rivals[0][1]
        scaling = self._calibration_or_default.place_scaling
        together = scaling.probability(min(1.0, first + second))
        return together >= self.config.probability and second >= RIVAL_SHARE * first

    def _is_certain(self, evidence: PlaceEvidence, probability: float, images: int) -> bool:
        """Whether a place is probable enough, over enough images, to be LOCALIZED."""
        verified = evidence.best.verification == Verification.GEOMETRY
        return (
            probability >= self.config.probability
            and images >= self.config.consecutive
            and (self.calibrated or verified)
        )
