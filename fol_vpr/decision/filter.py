"""Where the robot is, from all images so far: recursive Bayes over the places of a map.

The belief is spread over

- **anchors**: places that an image showed, moved on since by what the robot moved,
- **elsewhere**: any other place of the map, all alike,
- **new**: somewhere that the map does not have.

Between two images anchors move by odometry, or spread over their neighbourhood where there is
none; a little of the belief goes elsewhere (somebody carried the robot), out of the map, and back
into it. An image then multiplies each place that it may show by the likelihood ratio of its
evidence against "new", whose likelihood is 1.

That a look-alike turns up just where the robot is expected happens by chance too: once in
`diversity` images. An image that shows an expected place is therefore so much more likely than by
chance. Images that hardly differ from the one before say little that is new, and poor ones say
little at all: their likelihoods are taken to a power below 1.

The cost is that of the leading places of an image times at most `MAX_ANCHORS`, whatever the size
of the map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Place
from fol_vpr.decision.motion import Motion, PredictedPose
from fol_vpr.decision.places import NEIGHBOUR_FACTOR, Locations

MAX_ANCHORS = 64
MIN_MASS = 1e-4
# Shares of the belief that go, from one image to an entirely different one, ...
LEAVE = 0.003  # ... from the map to somewhere new
ENTER = 0.01  # ... from there into the map
JUMP = 0.001  # ... from any place to any other one
# Of a place that was expected in reach, as much may show from a view that no candidate has.
MAX_SHARE = 0.95
BEGIN_NEW = 0.5


@dataclass(frozen=True)
class PlaceLikelihood:
    """A place that an image may show.

    Attributes:
        place: one of its references.
        log_ratio: of the likelihoods of the evidence, there and at another place.
    """

    place: Place
    log_ratio: float


@dataclass(frozen=True)
class Anchor:
    """A place where the robot may be.

    Attributes:
        place: the reference that it was seen at last.
        predicted: where that is by now.
        mass: belief, 0 to 1.
        images: that spoke for it.
    """

    place: Place
    predicted: PredictedPose
    mass: float
    images: int


@dataclass(frozen=True)
class Belief:
    """What is believed after an image.

    Attributes:
        shown: probability of each place that the image may show, with what is beside it; those
            of places beside each other overlap.
        share: what each of these places itself has of that, 0 to 1.
        images: how many images spoke for each.
        p_outside_map: probability that the map does not have the place.
        p_unvisited: probability of all places that were never seen.
        seen: images since the filter was reset.
    """

    shown: tuple[float, ...]
    share: tuple[float, ...]
    images: tuple[int, ...]
    p_outside_map: float
    p_unvisited: float
    seen: int


class PlaceFilter:
    """Carries the belief from image to image.

    Args:
        config: which places are one, and how fast the robot is.
        miss: how often the right place is not among those that an image may show.
        diversity: among how many places a look-alike may turn up, over 1.
    """

    def __init__(self, config: VerificationConfig, miss: float, diversity: float) -> None:
        self._config = config
        self._miss = miss
        self._diversity = diversity
        self.reset()

    def reset(self) -> None:
        """Know nothing."""
        self._anchors: list[Anchor] = []
        self._p_outside_map, self._p_unvisited = BEGIN_NEW, 1 - BEGIN_NEW
        self._seen = 0

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """Where the robot may be, the most probable place first."""
        return tuple(self._anchors)

    def predict(self, motion: Motion, novelty: float) -> None:
        """Go on from one image to the next.

        Args:
            motion: of the robot in between.
            novelty: how different the images are, 0 to 1.
        """
        left = 1 - novelty * (LEAVE + JUMP)
        known = sum(anchor.mass for anchor in self._anchors)
        new = self._p_outside_map
        self._p_outside_map += novelty * (LEAVE * (known + self._p_unvisited) - ENTER * new)
        self._p_unvisited += novelty * (ENTER * new + JUMP * known - LEAVE * self._p_unvisited)
        self._anchors = [
            replace(
                anchor,
                predicted=anchor.predicted.moved(motion, novelty, self._config),
                mass=left * anchor.mass,
            )
            for anchor in self._anchors
        ]

    def update(self, shown: Sequence[PlaceLikelihood], weight: float) -> Belief:
        """Take the evidence of an image.

        Args:
            shown: different places that the image may show.
            weight: what the image counts, 0 (nothing) to 1.
        """
        self._seen += 1
        shares = self._shares([each.place for each in shown])
        masses = np.array([anchor.mass for anchor in self._anchors])
        unseen = self._miss**weight
        base = weight * math.log(self._diversity)
        factors = np.exp([base + weight * each.log_ratio for each in shown])
        expected = shares.T @ masses if len(masses) else np.zeros(len(shown))
        chance = self._p_unvisited / self._diversity
        seen = (expected + chance) * factors
        left = masses * (1 - shares.sum(axis=1)) * unseen
        elsewhere = max(0.0, self._p_unvisited - len(shown) * chance) * unseen
        images = self._images(shown, shares, masses, expected, chance, weight)
        total = float(seen.sum() + left.sum() + elsewhere + self._p_outside_map)
        self._p_outside_map, self._p_unvisited = self._p_outside_map / total, elsewhere / total
        fresh = [
            Anchor(each.place, PredictedPose.of(each.place), float(mass) / total, count)
            for each, mass, count in zip(shown, seen, images, strict=True)
        ]
        old = [
            replace(anchor, mass=float(mass) / total)
            for anchor, mass in zip(self._anchors, left, strict=True)
        ]
        belief = self._belief(fresh, old)
        self._keep(fresh + old)
        return belief

    def _shares(self, places: Sequence[Place]) -> np.ndarray:
        """[anchors, places]: of the belief in an anchor, how much each place would account for."""
        shares = np.zeros((len(self._anchors), len(places)))
        if not len(places):
            return shares
        locations = Locations(places)
        for row, anchor in enumerate(self._anchors):
            shares[row] = anchor.predicted.reach(locations, self._config)
        totals = shares.sum(axis=1, keepdims=True)
        return np.asarray(shares * MAX_SHARE / np.maximum(totals, 1.0))

    def _images(
        self,
        shown: Sequence[PlaceLikelihood],
        shares: np.ndarray,
        masses: np.ndarray,
        expected: np.ndarray,
        chance: float,
        weight: float,
    ) -> list[int]:
        """Images that spoke for each place, this one included."""
        counts = []
        for column, each in enumerate(shown):
            before = 0
            if len(masses) and expected[column] > chance:
                leader = int(np.argmax(shares[:, column] * masses))
                before = self._anchors[leader].images
            counts.append(before + int(each.log_ratio > 0 and weight > 0))
        return counts

    def _belief(self, fresh: Sequence[Anchor], old: Sequence[Anchor]) -> Belief:
        """The places shown, each with the belief in what is beside it, seen now or earlier."""
        probabilities = np.zeros(len(fresh))
        locations = Locations([anchor.place for anchor in fresh])
        for anchor in fresh:
            beside = locations.same(anchor.place, self._config, radius_factor=NEIGHBOUR_FACTOR)
            probabilities += anchor.mass * beside
        for anchor in old:
            probabilities += anchor.mass * anchor.predicted.reach(locations, self._config)
        return Belief(
            tuple(min(1.0, float(probability)) for probability in probabilities),
            tuple(
                anchor.mass / max(float(probability), MIN_MASS)
                for anchor, probability in zip(fresh, probabilities, strict=True)
            ),
            tuple(anchor.images for anchor in fresh),
            self._p_outside_map,
            self._p_unvisited,
            self._seen,
        )

    def _keep(self, anchors: Sequence[Anchor]) -> None:
        """The most probable ones; what is dropped may be anywhere."""
        ordered = sorted(anchors, key=lambda anchor: -anchor.mass)
        kept = [anchor for anchor in ordered[:MAX_ANCHORS] if anchor.mass >= MIN_MASS]
        self._p_unvisited += sum(a.mass for a in ordered) - sum(a.mass for a in kept)
        self._anchors = kept
