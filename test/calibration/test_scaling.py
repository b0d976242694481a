"""Scalings of the belief: what is known beforehand, and what drives tell."""

from __future__ import annotations

import numpy as np
import pytest

from fol_vpr.calibration.scaling import FilterBelief, fit_outside_scaling, fit_place_scaling
from fol_vpr.decision import PlattScaling
from fol_vpr.decision.calibration import DEFAULTS


def drawn(scaling: PlattScaling, count: int, seed: int = 0) -> list[FilterBelief]:
    """Beliefs that are right as often as a scaling says."""
    rng = np.random.default_rng(seed)
    beliefs = rng.uniform(0.02, 0.98, count)
    shares = rng.uniform(0.1, 1.0, count)
    exactnesses = rng.uniform(-4, 4, count)
    places = [
        scaling.probability(*each) > rng.random()
        for each in zip(beliefs, shares, exactnesses, strict=True)
    ]
    outside = [scaling.probability(b) > rng.random() for b in beliefs]
    columns = zip(
        beliefs.tolist(),
        shares.tolist(),
        exactnesses.tolist(),
        places,
        beliefs.tolist(),
        outside,
        strict=True,
    )
    return [FilterBelief(*each) for each in columns]


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
    inside = [FilterBelief(p, 0.9, 0.0, True, 1 - p, False) for p in np.linspace(0.3, 0.95, 150)]
    left_out = [FilterBelief(p, 0.5, 0.0, False, 1 - p, True) for p in np.linspace(0.02, 0.2, 150)]
    scaling = fit_place_scaling([*inside, *left_out])
    assert scaling.probability(0.9, 0.9) > 0.8
    assert scaling.probability(0.9, 0.5) < 0.75
    assert scaling.probability(0.5, 0.9) < 0.7
    assert scaling.share_slope > 2


def test_more_belief_never_means_less_probable():
    against = [FilterBelief(p, 0.9, p, p < 0.5, p, p < 0.5) for p in np.linspace(0.05, 0.95, 4000)]
    for scaling in (fit_place_scaling(against), fit_outside_scaling(against)):
        assert min(scaling.slope, scaling.share_slope, scaling.exactness_slope) >= 0


def test_that_the_map_has_no_such_place_is_learned_from_where_it_has_none():
    """Not from where another place led, which is in the map all the same."""
    wrong = [FilterBelief(0.5, 1.0, 0.0, False, 0.05, False)] * 500
    outside = [FilterBelief(0.1, 1.0, 0.0, False, 0.9, True)] * 500
    scaling = fit_outside_scaling([*wrong, *outside])
    assert scaling.probability(0.05) < 0.05 and scaling.probability(0.9) > 0.95
