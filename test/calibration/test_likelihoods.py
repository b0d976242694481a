"""What the fit counts, leaves out and holds out, step by step."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from helpers.decision.calibration_drives import drive
from helpers.decision.observations import hypothesis, observation

from fol_vpr.calibration import CalibrationDrive, CalibrationExample, fit, likelihoods
from fol_vpr.calibration.scaling import (
    FilterBelief,
    PlaceBelief,
    fit_outside_scaling,
    fit_place_scaling,
)
from fol_vpr.config import VerificationConfig
from fol_vpr.decision import FEATURES, PlattScaling, collect_evidence

CONFIG = VerificationConfig()


@pytest.fixture(scope='module')
def fitted():
    return fit.fit_calibration([drive(seed=0), drive(seed=1)], CONFIG, {})


def test_every_leading_place_is_an_example_with_and_without_the_right_one(fitted):
    # Of each image the right place, another one, and that again where the right one is left out.
    assert fitted.rows == (160, 320)


def test_a_place_beside_the_right_one_is_no_example():
    near = VerificationConfig(place_radius=20.0)  # 30 m away: beside
    seen = [hypothesis(5, 0.9, 99), hypothesis(6, 0.8, 99, rank=1), hypothesis(9, 0.7, 9, rank=2)]
    _, labels = likelihoods.training_rows(
        [CalibrationExample(observation(0, seen), frozenset([5]), None)], near
    )
    assert labels.tolist() == [True, False]
    _, labels = likelihoods.training_rows(
        [CalibrationExample(observation(0, seen), frozenset([5]), None)], CONFIG
    )
    assert labels.tolist() == [True, False, False]


NEAR = VerificationConfig(place_radius=20.0)  # a neighbour, 30 m away, is beside


def with_a_place_beside(count: int, config: VerificationConfig) -> list[CalibrationExample]:
    """Images of place 5, of which place 6 shows fewer inliers and place 20 none."""
    rng = np.random.default_rng(0)
    return [
        CalibrationExample(
            observation(
                number,
                [
                    hypothesis(5, rng.normal(0.8, 0.05), 200, int(rng.integers(100, 150))),
                    hypothesis(6, rng.normal(0.8, 0.05), 200, int(rng.integers(50, 100)), rank=1),
                    hypothesis(20, 0.5, 200, 5, rank=2),
                ],
            ),
            frozenset([5]),
            None,
        )
        for number in range(count)
    ]


def test_what_tells_the_right_place_from_one_beside_it_is_its_exactness():
    examples = with_a_place_beside(40, NEAR)
    features, labels = likelihoods.exactness_rows(examples, NEAR)
    assert labels.tolist() == [True, False] * 40
    learned = likelihoods.fit_likelihood_ratios(examples, NEAR)
    exactness = np.array([learned.exactness(each) for each in features])
    assert exactness[labels].mean() > 1 > -1 > exactness[~labels].mean()
    weights = dict(zip(FEATURES, learned.exact_weights.tolist(), strict=True))
    assert weights['inliers'] > 0.5 > abs(weights['similarity'])
    # Against a place far off both speak for themselves.
    assert [learned.log_ratio(each) > 0 for each in features[:2]] == [True, True]


def test_the_size_of_what_is_seen_may_tell_them_apart():
    rng = np.random.default_rng(1)
    examples = []
    for number in range(60):
        right = replace(hypothesis(5, 0.8, 200, 90), size_ratio=float(rng.uniform(0.9, 1.1)))
        beside = replace(hypothesis(6, 0.8, 200, 90, rank=1), size_ratio=rng.choice([0.7, 1.4]))
        seen = observation(number, [right, beside, hypothesis(20, 0.5, 200, 5, rank=2)])
        examples.append(CalibrationExample(seen, frozenset([5]), None))
    learned = likelihoods.fit_likelihood_ratios(examples, NEAR)
    weights = dict(zip(FEATURES, learned.exact_weights.tolist(), strict=True))
    assert weights.pop('size_agreement') > 1 > max(weights.values())


def test_the_probability_depends_on_the_exactness_as_far_as_it_told_right_from_wrong():
    """In half of the images the place beside the right one leads, which shows fewer inliers."""
    rng = np.random.default_rng(2)
    examples = []
    for number in range(120):
        right, beside = rng.integers(110, 150), rng.integers(50, 90)
        found = [hypothesis(5, 0.9, 200, int(right)), hypothesis(6, 0.8, 200, int(beside), 1)]
        if number // 6 % 2:  # no reference of the right place is found
            found = [replace(found[1], rank=0), hypothesis(20, 0.5, 200, 5, 1)]
        masked = observation(number, [hypothesis(30, 0.5, 200, 5)])
        positives = frozenset([5])
        seen = observation(number, found)
        examples.append(CalibrationExample(seen, positives, masked))
    found_with = fit.fit_calibration([CalibrationDrive('drive', examples)], NEAR, {}).calibration
    assert found_with.exact_weights.any()
    assert found_with.place_scaling.exactness_slope > 0.1


def test_without_places_beside_the_right_one_nothing_depends_on_the_exactness():
    few = with_a_place_beside(likelihoods.MIN_BESIDE - 1, NEAR)
    far = with_a_place_beside(40, CONFIG)
    for examples, config in ((few, NEAR), (far, CONFIG)):
        learned = likelihoods.fit_likelihood_ratios(examples, config)
        assert not learned.exact_weights.any() and learned.exact_offset == 0.0


def test_evidence_that_tells_nothing_is_worth_nothing_however_rare_right_places_are():
    """The odds of a place are for the filter to know."""
    rng = np.random.default_rng(0)
    examples = []
    for number in range(400):
        seen = [hypothesis(5, 0.6, int(rng.integers(50, 200)), int(rng.integers(10, 90)))]
        positives = frozenset([5] if number % 5 == 0 else [30])
        examples.append(CalibrationExample(observation(number, seen), positives, None))
    learned = likelihoods.fit_likelihood_ratios(examples, CONFIG)
    leaders = [collect_evidence(each.observation, CONFIG)[0] for each in examples]
    ratios = [learned.log_ratio(each.features) for each in leaders]
    assert abs(np.mean(ratios)) < 0.2


@pytest.mark.parametrize('every', [3, 5])
def test_how_often_the_right_place_is_not_even_looked_at_is_counted(every):
    examples = []
    for number in range(60):
        shown = 30 if number % every == 0 else 5
        examples.append(
            CalibrationExample(
                observation(number, [hypothesis(shown, 0.6, 99)]), frozenset([5]), None
            )
        )
    assert likelihoods.miss_rate(examples, CONFIG) == pytest.approx((60 / every + 1) / 62)


def test_how_often_a_wrong_place_comes_again_is_counted():
    def repeat(places: list[int]) -> float:
        masked = [observation(i, [hypothesis(at, 0.6, 99)]) for i, at in enumerate(places)]
        return likelihoods.repeat_rate(
            [CalibrationExample(each, frozenset([1]), each) for each in masked], CONFIG
        )

    assert repeat([20, 20, 21] * 20) == pytest.approx((20 + 1) / (59 + 2))
    assert repeat([20, 25] * 30) == likelihoods.MIN_REPEAT
    assert repeat([20] * 60) == likelihoods.MAX_RATE


def test_each_part_is_judged_by_what_the_others_taught(monkeypatch):
    learned_from = []
    ratios = likelihoods.fit_likelihood_ratios

    def watched(examples, config):
        learned_from.append([id(each) for each in examples])
        return ratios(examples, config)

    monkeypatch.setattr(fit, 'fit_likelihood_ratios', watched)
    whole = drive()
    parts = np.array_split([id(each) for each in whole.examples], fit.PARTS)
    fit.fit_calibration([whole], CONFIG, {})
    *held_out, everything = learned_from
    assert len(everything) == len(whole.examples)
    for part, others in zip(parts, held_out, strict=True):
        assert not set(part.tolist()) & set(others)
        assert len(part) + len(others) == len(whole.examples)


def test_what_is_shown_of_a_part_is_scaled_by_the_others():
    def statements(right: int, count: int = 100) -> list:
        return [
            FilterBelief((PlaceBelief(0.5, 1.0, 2.0, i < right),), 0.5, i < right)
            for i in range(count)
        ]

    parts = [statements(100), statements(10), statements(10)]
    for fit_scaling, bins in zip(
        (fit_place_scaling, fit_outside_scaling), fit.held_out_reliability(parts), strict=True
    ):
        few, more = (
            fit_scaling([*one, *other]).probability(0.5, 1.0, 2.0)
            for one, other in ((parts[1], parts[2]), (parts[0], parts[1]))
        )
        assert few < 0.35 < more
        # Of the first part by the two others, and of those by it and the other one.
        assert [each.count for each in bins] == [100, 200]
        assert [each.said for each in bins] == pytest.approx([few, more])


def test_all_that_was_learned_goes_into_the_map(fitted):
    calibration = fitted.calibration
    assert calibration.place_scaling != PlattScaling()
    assert calibration.outside_scaling != PlattScaling()
    assert calibration.place_scaling.slope > 0 and calibration.outside_scaling.slope > 0
    examples = [*drive(seed=0).examples, *drive(seed=1).examples]
    assert calibration.miss_rate == likelihoods.miss_rate(examples, CONFIG)
    assert calibration.repeat_rate == likelihoods.repeat_rate(examples, CONFIG)


def test_the_worst_of_two_that_speak_against_a_place_goes_and_the_other_may_speak_for_it():
    rng = np.random.default_rng(1)
    truth, noise = rng.normal(size=500), rng.normal(size=500)
    labels = truth > 0
    # truth = -1.67 first - 0.67 second, and by itself the second one speaks for it.
    features = np.stack([-truth - 0.4 * noise, truth + noise], axis=1)
    weights, _ = likelihoods.constrained_regression(features, labels, [True, True], 1.0)
    assert weights[0] == 0 and weights[1] > 0.5
    free, _ = likelihoods.constrained_regression(features, labels, [False, False], 1.0)
    assert free[0] < free[1] < 0


def test_where_nothing_speaks_for_a_place_its_share_is_all_that_is_known():
    features = np.linspace(1, 0, 40)[:, None]
    labels = np.arange(40) >= 30
    weights, intercept = likelihoods.constrained_regression(features, labels, [True], 1.0)
    assert weights.tolist() == [0.0] and intercept == pytest.approx(math.log(0.25 / 0.75))


def test_images_of_which_nothing_is_left_without_the_right_place_are_learned_from_as_well():
    whole = drive()
    unmasked = [replace(each, masked=None) for each in whole.examples[:40]]
    mixed = CalibrationDrive('mixed', [*unmasked, *whole.examples[40:]])
    found = fit.fit_calibration([mixed], CONFIG, {})
    assert found.rows == (80, 80 + 40)
    assert len(found.calibration.weights) == len(FEATURES)
