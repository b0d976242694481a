"""Where the robot is, from all images so far: a recursive Bayes filter over the places of a map.

The belief is spread over

- **anchors**: places that an image showed, moved since then by the motion of the robot,
- **unvisited**: all other places of the map, equally probable,
- **outside the map**: anywhere that the map does not have.

Prediction, between two images: anchors move by odometry, or spread over their neighbourhood
without it. Small shares of the belief move from any place to unvisited ones (the robot was
carried), out of the map, and back into it.

Update, by an image: each place that the image may show is multiplied by the likelihood ratio of
its evidence against being outside the map, whose likelihood is 1.

A look-alike of an expected place turns up by chance in one of `diversity` images. An image that
shows an expected place is therefore `diversity` times as likely as by chance. Images that hardly
differ from the one before, or are of poor quality, add little information: their likelihoods are
taken to a power below 1.

The cost of an image is its leading places times at most `MAX_ANCHORS`, whatever the size of the
map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Place
from fol_vpr.decision.motion import PredictedPose, RobotMotion
from fol_vpr.decision.places import NEIGHBOUR_FACTOR, Locations

MAX_ANCHORS = 64
MIN_MASS = 1e-4
# Transition probabilities from one image to an entirely different one:
P_LEAVE = 0.003  # from the map to outside
P_ENTER = 0.01  # from outside into the map
P_JUMP = 0.001  # from any place to an unvisited one
# Largest share of an anchor's belief that the places shown account for. The rest stays: the view
# may be of a reference that is not among the candidates.
MAX_SHARE = 0.95
INITIAL_P_OUTSIDE_MAP = 0.5


@dataclass(frozen=True)
class PlaceLikelihood:
    """A place that an image may show.

    Attributes:
        place: one of its references.
        log_ratio: log likelihood ratio of the evidence: at this place against outside the map.
    """

    place: Place
    log_ratio: float


@dataclass(frozen=True)
class Anchor:
    """A place where the robot may be.

    Attributes:
        place: the reference that it was observed at last.
        predicted: pose of the robot by now, if it was there.
        mass: probability, 0 to 1.
        images: number of images whose evidence supported it.
    """

    place: Place
    predicted: PredictedPose
    mass: float
    images: int


@dataclass(frozen=True)
class Belief:
    """The belief after an image.

    Attributes:
        probabilities: of each place that the image may show, together with its neighbourhood;
            those of neighbouring places overlap.
        shares: the share of each place itself in that, 0 to 1.
        images: number of images whose evidence supported each place.
        p_outside_map: probability that the map does not have the place.
        p_unvisited: probability of all places that no image has shown.
        total_images: images since the filter was reset.
    """

    probabilities: tuple[float, ...]
    shares: tuple[float, ...]
    images: tuple[int, ...]
    p_outside_map: float
    p_unvisited: float
    total_images: int


class PlaceFilter:
    """Carries the belief from image to image.

    Args:
        config: `place_radius`, `place_index_gap` and `speed`.
        miss_rate: share of the images whose right place is not among those that they may show.
        diversity: number of places, over 1, among which a look-alike turns up by chance.
    """

    def __init__(self, config: VerificationConfig, miss_rate: float, diversity: float) -> None:
        self._config = config
        self._miss_rate = miss_rate
        self._diversity = diversity
        self.reset()

    def reset(self) -> None:
        """Return to the initial belief, as before any image."""
        self._anchors: list[Anchor] = []
        self._p_outside_map = INITIAL_P_OUTSIDE_MAP
        self._p_unvisited = 1 - INITIAL_P_OUTSIDE_MAP
        self._total_images = 0

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """Where the robot may be, the most probable place first."""
        return tuple(self._anchors)

    def predict(self, motion: RobotMotion, novelty: float) -> None:
        """Predict the belief at the next image.

        Args:
            motion: of the robot between the images.
            novelty: how different the images are, 0 to 1; scales the transition probabilities.
        """
        stay = 1 - novelty * (P_LEAVE + P_JUMP)
        anchored = sum(anchor.mass for anchor in self._anchors)
        outside = self._p_outside_map
        self._p_outside_map += novelty * (
            P_LEAVE * (anchored + self._p_unvisited) - P_ENTER * outside
        )
        self._p_unvisited += novelty * (
            P_ENTER * outside + P_JUMP * anchored - P_LEAVE * self._p_unvisited
        )
        self._anchors = [
            replace(
                anchor,
                predicted=anchor.predicted.moved(motion, novelty, self._config),
                mass=stay * anchor.mass,
            )
            for anchor in self._anchors
        ]

    def update(self, likelihoods: Sequence[PlaceLikelihood], weight: float) -> Belief:
        """Update the belief by the evidence of an image.

        Args:
            likelihoods: of the different places [L] that the image may show.
            weight: exponent of the likelihoods, 0 (the image counts nothing) to 1.
        """
        self._total_images += 1
        shares = self._shares([each.place for each in likelihoods])
        masses = np.array([anchor.mass for anchor in self._anchors])
        miss = self._miss_rate**weight
        base = weight * math.log(self._diversity)
        factors = np.exp([base + weight * each.log_ratio for each in likelihoods])
        expected = shares.T @ masses if len(masses) else np.zeros(len(likelihoods))
        chance = self._p_unvisited / self._diversity
        observed_mass = (expected + chance) * factors
        remaining_mass = masses * (1 - shares.sum(axis=1)) * miss
        unvisited = max(0.0, self._p_unvisited - len(likelihoods) * chance) * miss
        images = self._support(likelihoods, shares, masses, expected, chance, weight)
        total = float(observed_mass.sum() + remaining_mass.sum() + unvisited + self._p_outside_map)
        self._p_outside_map, self._p_unvisited = self._p_outside_map / total, unvisited / total
        observed = [
            Anchor(each.place, PredictedPose.of(each.place), float(mass) / total, count)
            for each, mass, count in zip(likelihoods, observed_mass, images, strict=True)
        ]
        earlier = [
            replace(anchor, mass=float(mass) / total)
            for anchor, mass in zip(self._anchors, remaining_mass, strict=True)
        ]
        belief = self._belief(observed, earlier)
        self._prune(observed + earlier)
        return belief

    def _shares(self, places: Sequence[Place]) -> np.ndarray:
        """[A, L] shares of the belief in each anchor that each of the places accounts for."""
        shares = np.zeros((len(self._anchors), len(places)))
        if not len(places):
            return shares
        locations = Locations(places)
        for row, anchor in enumerate(self._anchors):
            shares[row] = anchor.predicted.proximity(locations, self._config)
        totals = shares.sum(axis=1, keepdims=True)
        return np.asarray(shares * MAX_SHARE / np.maximum(totals, 1.0))

    def _support(
        self,
        likelihoods: Sequence[PlaceLikelihood],
        shares: np.ndarray,
        masses: np.ndarray,
        expected: np.ndarray,
        chance: float,
        weight: float,
    ) -> list[int]:
        """Number of images [L] whose evidence supported each place, this one included.

        Args:
            likelihoods: of the places [L].
            shares: [A, L] of `_shares`.
            masses: [A] of the anchors.
            expected: [L] predicted probability of each place.
            chance: probability of any one unvisited place.
            weight: of the image.
        """
        counts = []
        for column, each in enumerate(likelihoods):
            before = 0
            if len(masses) and expected[column] > chance:
                leader = int(np.argmax(shares[:, column] * masses))
                before = self._anchors[leader].images
            counts.append(before + int(each.log_ratio > 0 and weight > 0))
        return counts

    def _belief(self, observed: Sequence[Anchor], earlier: Sequence[Anchor]) -> Belief:
        """The belief in the observed places, each together with its neighbourhood."""
        probabilities = np.zeros(len(observed))
        locations = Locations([anchor.place for anchor in observed])
        for anchor in observed:
            near = locations.same(anchor.place, self._config, radius_factor=NEIGHBOUR_FACTOR)
            probabilities += anchor.mass * near
        for anchor in earlier:
            probabilities += anchor.mass * anchor.predicted.proximity(locations, self._config)
        return Belief(
            tuple(min(1.0, float(probability)) for probability in probabilities),
            tuple(
                anchor.mass / max(float(probability), MIN_MASS)
                for anchor, probability in zip(observed, probabilities, strict=True)
            ),
            tuple(anchor.images for anchor in observed),
            self._p_outside_map,
            self._p_unvisited,
            self._total_images,
        )

    def _prune(self, anchors: Sequence[Anchor]) -> None:
        """Keep the most probable anchors; the mass of the others goes to unvisited places."""
        ordered = sorted(anchors, key=lambda anchor: -anchor.mass)
        kept = [anchor for anchor in ordered[:MAX_ANCHORS] if anchor.mass >= MIN_MASS]
        self._p_unvisited += sum(a.mass for a in ordered) - sum(a.mass for a in kept)
        self._anchors = kept
