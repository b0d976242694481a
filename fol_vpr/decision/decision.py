"""What an image amounts to: LOCALIZED, NOT_IN_MAP, AMBIGUOUS or UNKNOWN.

The evidence of the image becomes likelihood ratios, the filter turns those of all images so far
into a belief, the calibration turns the belief, and how exact each place is in this image, into
probabilities, and the setting `probability` says how probable a statement has to be.

A map without a calibration takes the same path with `calibration.DEFAULTS`. These order the
places, but the result is not a probability: none is published, LOCALIZED also needs a place that
passed the geometric verification, and NOT_IN_MAP is never given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Explanation, LocalizationState, Place, PlaceHypothesis, Verification
from fol_vpr.decision.calibration import DEFAULTS, Calibration
from fol_vpr.decision.evidence import FEATURES, Observation, PlaceEvidence, collect_evidence
from fol_vpr.decision.filter import Belief, PlaceFilter, PlaceLikelihood
from fol_vpr.decision.motion import RobotMotion
from fol_vpr.decision.places import NEIGHBOUR_FACTOR, Locations
from fol_vpr.decision.verdict import LeadingPlace, Rival, Situation, judge
from fol_vpr.geometry import shortfalls

NS = 1_000_000_000
# Two images are never identical: noise, people and light change.
MIN_NOVELTY = 0.1
# Motion after which an image is entirely new: this share of a place's radius, or this turn in
# degrees.
NOVEL_RADIUS_SHARE, NOVEL_TURN = 0.5, 30.0
# A place is a rival of the leading one from this share of its belief.
RIVAL_SHARE = 0.2
MATCHES = tuple(FEATURES).index('matches')


@dataclass(frozen=True, eq=False)
class LocalizationResult:
    """The decision on an image, given all images before it.

    Attributes:
        state: of the localization.
        explanation: why it is this state.
        believed: the hypothesis that LOCALIZED rests on; None in any other state.
        p_not_in_map: probability that the map does not have the place; NaN where uncalibrated.
        probabilities: by `Place.index` of the references of the leading places; empty where
            uncalibrated.
        p_other_place: probability of any one other place; NaN where uncalibrated.
        belief: of the filter, before it is turned into probabilities; the calibration is fitted
            to it.
        evidence: of each of the places in `belief.probabilities`.
        exactness: of each of them, see `Calibration.exactness`; less where the image is poor.
    """

    state: LocalizationState
    believed: PlaceHypothesis | None = None
    p_not_in_map: float = math.nan
    probabilities: dict[int, float] = field(default_factory=dict)
    p_other_place: float = math.nan
    belief: Belief | None = None
    evidence: tuple[PlaceEvidence, ...] = ()
    exactness: tuple[float, ...] = ()
    explanation: Explanation = field(default_factory=Explanation)

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
        self._restart: float | None = None

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
        self._restart = None

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
        novelty = 1.0
        if sequence:
            novelty = self._predict(observation)
            belief = self._filter.update(likelihoods, novelty * observation.quality)
            self._last = observation
        else:
            belief = self._new_filter().update(likelihoods, observation.quality)
        return self._result(observation, evidence, ratios, belief, novelty, sequence)

    def _predict(self, observation: Observation) -> float:
        """Predict the belief at an image; returns the novelty of the image, 0 to 1."""
        last = self._last
        if last is None:
            return 1.0
        elapsed = observation.stamp_ns - last.stamp_ns
        if not 0 <= elapsed <= self.config.max_gap * NS:
            self.reset()
            self._restart = elapsed / NS
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
        self,
        observation: Observation,
        evidence: list[PlaceEvidence],
        ratios: list[float],
        belief: Belief,
        novelty: float,
        in_sequence: bool,
    ) -> LocalizationResult:
        calibration = self._calibration_or_default
        # What a poor image shows of a place counts for less here, too.
        exactness = [
            observation.quality * calibration.exactness(each.features) for each in evidence
        ]
        probabilities = [
            calibration.place_scaling.probability(*each)
            for each in zip(belief.probabilities, belief.shares, exactness, strict=True)
        ]
        p_outside = calibration.outside_scaling.probability(belief.p_outside_map)
        order = sorted(range(len(evidence)), key=lambda i: -probabilities[i])
        places = [
            _Place(evidence[i], ratios[i], belief.probabilities[i], exactness[i], probabilities[i])
            for i in order
        ]
        is_new = belief.total_images < self.config.consecutive
        situation = Situation(
            leader=self._leader(places[0], belief.images[order[0]]) if places else None,
            rival=self._rival(places),
            p_outside=p_outside,
            total_images=belief.total_images,
            calibrated=self.calibrated,
            searched=bool(observation.candidates),
            matched=any(each.evidence.features[MATCHES] > 0 for each in places),
            in_sequence=in_sequence,
            quality=observation.quality,
            quality_reason=observation.quality_reason,
            novelty=novelty,
            restart=self._restart if in_sequence and is_new else None,
        )
        state, explanation = judge(situation, self.config)
        believed = places[0].evidence.best if state is LocalizationState.LOCALIZED else None
        if not self.calibrated:
            return LocalizationResult(
                state,
                believed,
                belief=belief,
                evidence=tuple(evidence),
                exactness=tuple(exactness),
                explanation=explanation,
            )
        by_index = {
            index: probabilities[number]
            for number, each in enumerate(evidence)
            for index in each.members
        }
        p_other_place = min(
            belief.p_unvisited * calibration.repeat_rate, 1 - max(probabilities, default=0.0)
        )
        return LocalizationResult(
            state,
            believed,
            p_outside,
            by_index,
            p_other_place,
            belief,
            tuple(evidence),
            tuple(exactness),
            explanation,
        )

    def _leader(self, place: _Place, images: int) -> LeadingPlace:
        best = place.evidence.best
        verified = best.verification == Verification.GEOMETRY
        return LeadingPlace(
            best.place.place_id,
            place.probability,
            images,
            supported=place.log_ratio > 0,
            verified=verified,
            unverified_because='' if verified else self._why_unverified(best),
        )

    def _why_unverified(self, hypothesis: PlaceHypothesis) -> str:
        if hypothesis.query_xy is None:
            return f'it is not among the {self.config.verify} that verification.verify checks'
        short = shortfalls(hypothesis.inliers, hypothesis.matches, hypothesis.regions, self.config)
        return ', '.join(short) or 'its inliers lie on one line'

    def _rival(self, ordered: Sequence[_Place]) -> Rival | None:
        """The most probable place that is no neighbour of the first; None where there is none.

        Args:
            ordered: the places, the most probable first.
        """
        if not ordered:
            return None
        leader, *others = ordered
        locations = Locations([each.evidence.best.place for each in others])
        near = locations.same(
            leader.evidence.best.place, self.config, radius_factor=NEIGHBOUR_FACTOR
        )
        rivals = [each for each, is_near in zip(others, near, strict=True) if not is_near]
        if not rivals:
            return None
        rival = rivals[0]
        scaling = self._calibration_or_default.place_scaling
        return Rival(
            rival.evidence.best.place.place_id,
            rival.probability,
            together=scaling.probability(
                min(1.0, leader.belief + rival.belief),
                exactness=max(leader.exactness, rival.exactness),
            ),
            is_alike=min(leader.log_ratio, rival.log_ratio) > 0
            and rival.belief >= RIVAL_SHARE * leader.belief,
        )


class _Place(NamedTuple):
    """A place that the image may show.

    Attributes:
        evidence: for it, of this image.
        log_ratio: log likelihood ratio of that evidence.
        belief: of the filter.
        exactness: of that evidence, less where the image is poor.
        probability: that the calibration makes of belief and exactness.
    """

    evidence: PlaceEvidence
    log_ratio: float
    belief: float
    exactness: float
    probability: float
