"""The calibration of a map: from evidence to likelihood ratios, from belief to probabilities.

A calibration is learned from drives through the user's own map (`fol_vpr calibrate`) and stored
in the map as JSON; `calibration_rows` reads and writes that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fol_vpr.decision.evidence import FEATURES

# Limit of the log likelihood ratio of one image, whatever its features.
MAX_LOG_RATIO = 7.0
# Limit of the exactness of a place, which is learned from few images.
MAX_EXACTNESS = 4.0
# Limit of the log odds of a probability: none is closer to 0 or 1 than one in about 22,000.
MAX_LOG_ODDS = 10.0
MIN_SHARE = 1e-3


@dataclass(frozen=True)
class PlattScaling:
    """Turns a belief of the filter into a probability by logistic regression.

    Its inputs are the log odds of the belief, the log of the place's own share in the belief, and
    how exact the place is.

    Source: Platt, "Probabilistic outputs for support vector machines", 1999.

    Attributes:
        slope: factor of the log odds of the belief; not negative, so that more belief never means
            a smaller probability.
        offset: added to the log odds.
        share_slope: factor of the log of the place's own share in the belief, of which its
            neighbourhood has the rest; not negative.
        exactness_slope: factor of the exactness of the place in this image, see
            `Calibration.exactness`; not negative.
    """

    slope: float = 1.0
    offset: float = 0.0
    share_slope: float = 0.0
    exactness_slope: float = 0.0

    def probability(self, belief: float, share: float = 1.0, exactness: float = 0.0) -> float:
        """The probability for a belief.

        Args:
            belief: in the place with its neighbourhood, 0 to 1.
            share: of the place itself in that, 0 to 1.
            exactness: of the place, see `Calibration.exactness`.
        """
        return logistic(
            self.slope * log_odds(belief)
            + self.share_slope * math.log(max(share, MIN_SHARE))
            + self.exactness_slope * exactness
            + self.offset
        )


@dataclass(frozen=True, eq=False)
class Calibration:
    """How much the evidence for a place tells, and how probable a belief of the filter is.

    Two calibrations are equal where all their fields are.

    Attributes:
        mean, scale, weights: [F] each, for the features that `FEATURES` names: the log likelihood
            ratio of a place is `(features - mean) / scale @ weights + offset`.
        offset: of the log likelihood ratio.
        exact_weights, exact_offset: weights [F] and offset of the exactness.
        miss_rate: share of the images whose right place is not among the leading places.
        repeat_rate: share of the images of no place in the map that lead to the same place as the
            image before them.
        place_scaling: for the belief in a place.
        outside_scaling: for the belief that the image shows no place of the map.
        settings: that the images were searched, verified and followed with, by the names of
            `fol_vpr.config.CALIBRATED`; the probabilities hold for these. Calibrations of older
            versions have recorded some of them or none.
        provenance: what the calibration was made from; plain JSON values.
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    offset: float
    miss_rate: float
    repeat_rate: float
    exact_weights: np.ndarray = field(default_factory=lambda: np.zeros(len(FEATURES)))
    exact_offset: float = 0.0
    place_scaling: PlattScaling = PlattScaling()
    outside_scaling: PlattScaling = PlattScaling()
    settings: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Calibration) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        arrays = self.mean, self.scale, self.weights, self.exact_weights
        columns = tuple(tuple(array.tolist()) for array in arrays)
        rates = self.offset, self.exact_offset, self.miss_rate, self.repeat_rate
        scalings = self.place_scaling, self.outside_scaling
        facts = repr((sorted(self.settings.items()), sorted(self.provenance.items())))
        return columns, rates, scalings, facts

    def log_ratio(self, features: np.ndarray) -> float:
        """Log likelihood ratio of a place: its evidence there against that at another place.

        Args:
            features: [F] numbers named by `FEATURES`.
        """
        ratio = float((features - self.mean) / self.scale @ self.weights) + self.offset
        return max(-MAX_LOG_RATIO, min(MAX_LOG_RATIO, ratio))

    def exactness(self, features: np.ndarray) -> float:
        """Log likelihood ratio of a place: its evidence there against that at a place beside it.

        Within ±`MAX_EXACTNESS`.

        Args:
            features: [F] numbers named by `FEATURES`.
        """
        ratio = float((features - self.mean) / self.scale @ self.exact_weights) + self.exact_offset
        return max(-MAX_EXACTNESS, min(MAX_EXACTNESS, ratio))


def log_odds(probability: float) -> float:
    """Log odds of a probability, limited to ±`MAX_LOG_ODDS`."""
    least = logistic(-MAX_LOG_ODDS)
    inside = min(max(probability, least), 1 - least)
    return math.log(inside / (1 - inside))


def logistic(value: float) -> float:
    """1 / (1 + e^-value)."""
    if value >= 0:
        return 1 / (1 + math.exp(-min(value, 700.0)))
    return math.exp(max(value, -700.0)) / (1 + math.exp(max(value, -700.0)))


def _default_calibration(
    offset: float,
    miss_rate: float,
    repeat_rate: float,
    place_scaling: PlattScaling,
    **columns: tuple[float, float, float],
) -> Calibration:
    """A calibration of mean, scale and weight by feature; others have weight 0."""
    rows = [columns.get(name, (0.0, 1.0, 0.0)) for name in FEATURES]
    mean, scale, weights = (np.array(column) for column in zip(*rows, strict=True))
    return Calibration(
        mean, scale, weights, offset, miss_rate, repeat_rate, place_scaling=place_scaling
    )


DEFAULTS = _default_calibration(
    offset=-2.7,
    miss_rate=0.3,
    repeat_rate=0.5,
    place_scaling=PlattScaling(slope=0.85, share_slope=3.0),
    similarity_zscore=(1.9, 0.8, 0.35),
    similarity_margin=(0.0, 1.1, 0.65),
    match_margin=(0.7, 1.4, 0.5),
    inliers=(3.6, 1.5, 1.65),
    inlier_ratio=(0.3, 0.2, 0.4),
    regions=(3.4, 1.5, 0.9),
)
"""For maps without a calibration: fitted to four drives through three maps together, with the
offset lowered by one; described by the weights of `fol_tiny` before those of 2026-11-29 (SHA-256
11e76558...). The similarity and the number of matches have no weight, because their
range differs between networks.
"""
