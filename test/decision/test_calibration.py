"""Likelihood ratios and probabilities of a calibration."""

import numpy as np
import pytest
from helpers.decision.observations import LEARNED

from fol_vpr.decision import FEATURES, MIN_SHARE, MORE_IS_BETTER, PlattScaling, log_odds
from fol_vpr.decision.calibration import DEFAULTS, MAX_EXACTNESS, MAX_LOG_RATIO, logistic

COUNT = len(FEATURES)


def test_one_image_says_no_more_than_so_much():
    for features in (np.full(COUNT, 1e5), np.full(COUNT, -1e5)):
        assert abs(LEARNED.log_ratio(features)) == MAX_LOG_RATIO
        assert abs(LEARNED.exactness(features)) == MAX_EXACTNESS


@pytest.mark.parametrize('calibration', [LEARNED, DEFAULTS])
def test_more_of_what_is_better_never_lowers_the_odds(calibration):
    assert MORE_IS_BETTER and set(MORE_IS_BETTER) <= set(FEATURES)
    rng = np.random.default_rng(3)
    for row, name in enumerate(FEATURES):
        if name in MORE_IS_BETTER:
            features = rng.normal(size=COUNT)
            more = features.copy()
            more[row] += 1.0
            assert calibration.log_ratio(more) >= calibration.log_ratio(features)
            assert calibration.exactness(more) >= calibration.exactness(features)


def test_the_defaults_do_not_depend_on_what_each_network_scales_its_own_way():
    names = list(FEATURES)
    for name in ('similarity', 'matches'):
        assert DEFAULTS.weights[names.index(name)] == 0


def test_scaling_is_monotonic_and_undoes_nothing_by_default():
    beliefs = np.linspace(0.001, 0.999, 50)
    for belief in beliefs:
        assert PlattScaling().probability(belief) == pytest.approx(belief)
    scaled = [PlattScaling(0.5, -1.0, 2.0).probability(belief, 0.9) for belief in beliefs]
    assert scaled == sorted(scaled)
    shares = [
        PlattScaling(0.5, -1.0, 2.0).probability(0.9, share) for share in (0.0, 0.2, 0.9, 1.0)
    ]
    assert shares == sorted(shares)
    exact = PlattScaling(0.5, -1.0, 2.0, 0.7)
    said = [exact.probability(0.9, 0.9, exactness) for exactness in (-4.0, -1.0, 0.0, 3.0)]
    assert said == sorted(said) and said[2] == PlattScaling(0.5, -1.0, 2.0).probability(0.9, 0.9)
    assert 0 < PlattScaling().probability(0.0) < PlattScaling().probability(1.0) < 1


def test_nothing_is_called_certain_or_impossible():
    sure = PlattScaling(slope=1e6, offset=0.0).probability
    assert PlattScaling().probability(1.0) == pytest.approx(1 - 1 / 22027, rel=1e-6)
    assert PlattScaling().probability(0.0) == pytest.approx(1 / 22027, rel=1e-3)
    assert (log_odds(0.0), log_odds(1.0)) == pytest.approx((-10, 10))
    assert sure(0.4) < sure(0.6)
    shared = PlattScaling(share_slope=1.0).probability
    assert shared(0.5, 0.0) == shared(0.5, MIN_SHARE) < shared(0.5, 2 * MIN_SHARE)


def test_log_odds_and_logistic_are_inverse():
    for value in (-9.0, -1.0, 0.0, 2.5, 9.0):
        assert log_odds(logistic(value)) == pytest.approx(value)
    assert logistic(1e4) == 1.0 and logistic(-1e4) == pytest.approx(0.0)
