"""Scalings of the belief: what is known beforehand, and what drives tell."""

from __future__ import annotations

import numpy as np
import pytest

from fol_vpr.calibration.scaling import (
    FilterBelief,
    PlaceBelief,
    fit_outside_scaling,
    fit_place_scaling,
)
from fol_vpr.decision import PlattScaling
from fol_vpr.decision.calibration import DEFAULTS


def belief(
    probability: float,
    share: float,
    exactness: float,
    is_right: bool,
    p_outside_map: float,
    is_outside_map: bool,
) -> FilterBelief:
    """A belief in one place."""
    place = PlaceBelief(probability, share, exactness, is_right)
    return FilterBelief((place,), p_outside_map, is_outside_map)


def drawn(scaling: PlattScaling, count: int, seed: int = 0) -> list[FilterBelief]:
    """Beliefs that are right as often as a scaling says."""
    rng = np.random.default_rng(seed)
    beliefs = rng.uniform(0.02, 0.98, count).tolist()
    numbers = zip(
        beliefs,
        rng.uniform(0.1, 1.0, count).tolist(),
        rng.uniform(-4, 4, count).tolist(),
        strict=True,
    )
    places = [(*each, scaling.probability(*each) > rng.random()) for each in numbers]
    outside = [scaling.probability(b) > rng.random() for b in beliefs]
    rows = zip(places, beliefs, outside, strict=True)
    return [belief(*place, other, is_outside) for place, other, is_outside in rows]


def test_without_images_it_is_that_of_maps_without_a_calibration():
    assert fit_place_scaling([]) == DEFAULTS.place_scaling
    assert fit_outside_scaling([]) == DEFAULTS.outside_scaling


@pytest.mark.parametrize('truth', [PlattScaling(0.4, 0.3, 4.0, 0.6), PlattScaling(1.5, -1.0, 1.0)])
def test_many_images_tell_what_the_scaling_is(truth):
    found = fit_place_scaling(drawn(truth, 40_000))
    assert found.slope == pytest.approx(truth.slope, abs=0.08)
    assert found.offset == pytest.approx(truth.offset, abs=0.12)
    assert found.share_slope == pytest.approx(truth.share_slope, abs=0.3)
    assert found.exactness_slope == pytest.approx(truth.exactness_slope, abs=0.05)
    outside = fit_outside_scaling(drawn(truth, 40_000))
    assert outside.slope == pytest.approx(truth.slope, abs=0.08)
    assert outside.share_slope == DEFAULTS.outside_scaling.share_slope
    assert outside.exactness_slope == 0.0


def test_a_corner_in_which_all_is_right_does_not_make_every_place_certain():
    """It has no place beside the right one that was taken for it, nor one far off."""
    inside = [belief(p, 0.9, 0.0, True, 1 - p, False) for p in np.linspace(0.3, 0.95, 150)]
    left_out = [belief(p, 0.5, 0.0, False, 1 - p, True) for p in np.linspace(0.02, 0.2, 150)]
    scaling = fit_place_scaling([*inside, *left_out])
    assert scaling.probability(0.9, 0.9) > 0.8
    assert scaling.probability(0.9, 0.5) < 0.75
    assert scaling.probability(0.5, 0.9) < 0.7
    assert scaling.share_slope > 2


def test_more_belief_never_means_less_probable():
    against = [belief(p, 0.9, p, p < 0.5, p, p < 0.5) for p in np.linspace(0.05, 0.95, 4000)]
    for scaling in (fit_place_scaling(against), fit_outside_scaling(against)):
        assert min(scaling.slope, scaling.share_slope, scaling.exactness_slope) >= 0


def test_that_the_map_has_no_such_place_is_learned_from_where_it_has_none():
    """Not from where another place led, which is in the map all the same."""
    wrong = [belief(0.5, 1.0, 0.0, False, 0.05, False)] * 500
    outside = [belief(0.1, 1.0, 0.0, False, 0.9, True)] * 500
    scaling = fit_outside_scaling([*wrong, *outside])
    assert scaling.probability(0.05) < 0.05 and scaling.probability(0.9) > 0.95


def test_the_place_that_leads_is_the_one_that_the_scaling_calls_most_probable():
    """The belief is larger in the other place, which the image shows less exactly."""
    places = PlaceBelief(0.6, 0.6, -2.0, False), PlaceBelief(0.6, 0.4, 3.0, True)
    seen = FilterBelief(places, 0.1, False)
    assert seen.leader(PlattScaling(1.0, 0.0, 3.0)) == (places[0], pytest.approx(0.2447, abs=1e-4))
    exact = PlattScaling(1.0, 0.0, 3.0, 1.0)
    assert seen.leader(exact) == (places[1], exact.probability(0.6, 0.4, 3.0))
    assert FilterBelief((), 0.1, False).leader(exact) is None


def test_a_scaling_is_learned_from_the_places_that_it_lets_lead():
    """All of them are right by their exactness; by share alone, half of them would be wrong."""
    rng = np.random.default_rng(1)
    seen = []
    for _ in range(4000):
        share = float(rng.uniform(0.3, 0.7))
        right = PlaceBelief(0.9, share, 3.0, True)
        wrong = PlaceBelief(0.9, 1 - share, -3.0, False)
        seen.append(FilterBelief((right, wrong), 0.1, False))
    scaling = fit_place_scaling(seen)
    leaders = [each.leader(scaling) for each in seen]
    assert all(place.is_right for place, _ in leaders)
    assert np.mean([probability for _, probability in leaders]) > 0.97
