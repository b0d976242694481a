"""Scalings of the filter's belief to probabilities, fitted to what drives showed.

A scaling is a logistic regression on the log odds of the belief, the place's share in it and how
exact the place is (`PlattScaling`). Images of one corner may all be right, and then tell nothing
of how wrong the belief can be elsewhere: a regression of them alone makes every answer certain.
The parameters therefore have a normal distribution beforehand, around those of maps without a
calibration, and images move them as far as they tell more (maximum a posteriori).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fol_vpr.decision import MIN_SHARE, PlattScaling, log_odds
from fol_vpr.decision.calibration import DEFAULTS

# A drive is followed four times, and neighbouring images show much the same: so many beliefs count
# as one.
DEPENDENT = 12
# Standard deviations beforehand of the slope, of the slopes of the share and of the exactness, and
# of the offset. With them, about 100 images weigh as much as what is known beforehand.
DEVIATIONS = (0.3, 1.0, 0.3, 0.5)
# At most so many fits until the scaling names the same leading places again.
ROUNDS = 10


class PlaceBelief(NamedTuple):
    """The belief of the filter in a place after an image, and the truth.

    Attributes:
        belief: in the place with its neighbours, 0 to 1.
        share: fraction of `belief` that belongs to the place itself.
        exactness: of the place in that image, see `Calibration.exactness`.
        is_right: whether it is the right place.
    """

    belief: float
    share: float
    exactness: float
    is_right: bool


@dataclass(frozen=True)
class FilterBelief:
    """The belief of the filter after an image, and the truth.

    Attributes:
        places: that the image shows, maybe none.
        p_outside_map: belief that the map does not have the place, 0 to 1.
        is_outside_map: whether the map does not have it.
    """

    places: tuple[PlaceBelief, ...]
    p_outside_map: float
    is_outside_map: bool

    def leader(self, scaling: PlattScaling) -> tuple[PlaceBelief, float] | None:
        """The most probable place by a scaling, and its probability; None where there is none."""
        if not self.places:
            return None
        probabilities = [scaling.probability(*place[:3]) for place in self.places]
        best = int(np.argmax(probabilities))
        return self.places[best], probabilities[best]


def fit_place_scaling(beliefs: Sequence[FilterBelief]) -> PlattScaling:
    """From belief and exactness of the leading place to the probability that it is right.

    Which place leads depends on the scaling itself, so the fit is repeated until it names the same
    leading places again, at most `ROUNDS` times.
    """
    scaling = DEFAULTS.place_scaling
    before: list[PlaceBelief] | None = None
    for _ in range(ROUNDS):
        led = [found[0] for b in beliefs if (found := b.leader(scaling)) is not None]
        if led == before:
            break
        before = led
        inputs = [
            (log_odds(each.belief), math.log(max(each.share, MIN_SHARE)), each.exactness)
            for each in led
        ]
        scaling = _fit(inputs, [each.is_right for each in led], DEFAULTS.place_scaling)
    return scaling


def fit_outside_scaling(beliefs: Sequence[FilterBelief]) -> PlattScaling:
    """From the belief outside the map to the probability that the map has no such place."""
    inputs = [(log_odds(b.p_outside_map), 0.0, 0.0) for b in beliefs]
    return _fit(inputs, [b.is_outside_map for b in beliefs], DEFAULTS.outside_scaling)


def _fit(
    inputs: Sequence[tuple[float, float, float]], right: Sequence[bool], before: PlattScaling
) -> PlattScaling:
    """The most probable scaling.

    Args:
        inputs: log odds of the belief, logarithm of the share, and exactness, of N beliefs.
        right: whether each is right.
        before: the scaling where there are no beliefs.
    """
    from scipy.optimize import minimize

    columns = np.array([(*each, 1.0) for each in inputs]).reshape(-1, 4)
    signs = np.where(right, 1.0, -1.0)
    mean = np.array([before.slope, before.share_slope, before.exactness_slope, before.offset])
    deviations = np.array(DEVIATIONS)

    def cost(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus the logarithm of the posterior, and its gradient."""
        margins = signs * (columns @ parameters)
        apart = (parameters - mean) / deviations
        wrong = np.exp(-np.logaddexp(0, margins))
        value = np.logaddexp(0, -margins).sum() / DEPENDENT + apart @ apart / 2
        return value, -(signs * wrong) @ columns / DEPENDENT + apart / deviations

    bounds = [(0, None)] * 3 + [(None, None)]
    found = minimize(cost, mean, jac=True, method='L-BFGS-B', bounds=bounds).x
    slope, share_slope, exactness_slope, offset = map(float, found)
    return PlattScaling(slope, offset, share_slope, exactness_slope)
