"""What is learned from made-up drives, whose rule is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from helpers.decision.calibration_drives import drive
from helpers.decision.observations import EVERYWHERE, clear, place

from fol_vpr.calibration import CalibrationDrive, CalibrationExample, fit_calibration
from fol_vpr.calibration.drives import masked_references
from fol_vpr.calibration.fit import held_out_reliability
from fol_vpr.calibration.scaling import FilterBelief, PlaceBelief
from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Pose
from fol_vpr.decision import FEATURES, Decision, collect_evidence
from fol_vpr.errors import InputError

CONFIG = VerificationConfig()


@pytest.fixture(scope='module')
def fitted():
    return fit_calibration([drive(seed=0), drive(seed=1)], CONFIG, {'model_id': 'm'})


def test_right_places_get_better_odds_than_wrong_ones(fitted):
    ratios = {True: [], False: []}
    for example in drive(seed=5).examples:
        for evidence in collect_evidence(example.observation, CONFIG):
            right = evidence.best.place.index in example.positives
            ratios[right].append(fitted.calibration.log_ratio(evidence.features))
    assert np.median(ratios[True]) > 2 and np.median(ratios[False]) < -2


def test_what_is_called_probable_is_right_so_often_on_another_drive(fitted):
    decision = Decision(CONFIG, fitted.calibration)
    said = [decision.update(e.observation) for e in drive(seed=9).examples]
    top = [max(j.probabilities.values()) for j in said]
    right = [
        max(j.probabilities, key=j.probabilities.get) in e.positives
        for j, e in zip(said, drive(seed=9).examples, strict=True)
    ]
    assert abs(np.mean(top) - np.mean(right)) < 0.05
    assert fitted.error < 0.08


def test_no_weight_is_against_what_is_known_to_be_better(fitted):
    weights = dict(zip(FEATURES, fitted.calibration.weights, strict=True))
    assert all(weight >= 0 for name, weight in weights.items() if name != 'geometry_checked')
    assert weights['similarity'] + weights['inliers'] + weights['similarity_margin'] > 0
    rows = fitted.evidence()
    assert [each.name for each in rows] == list(FEATURES)
    calibration = fitted.calibration
    assert [each.weight for each in rows] == calibration.weights.tolist()
    assert [each.exact_weight for each in rows] == calibration.exact_weights.tolist()


def test_it_says_what_it_was_made_from(fitted):
    made = fitted.calibration.provenance
    assert made['model_id'] == 'm' and made['drives'] == ['drive', 'drive']
    assert (made['images'], made['images_in_map']) == (160, 160)
    assert made['calibration_error'] == fitted.error
    assert sum(each.count for each in fitted.place) > 160


def test_the_same_drives_give_the_same_calibration(fitted):
    again = fit_calibration([drive(seed=0), drive(seed=1)], CONFIG, {'model_id': 'm'})
    assert again.to_json() == fitted.to_json()


def test_a_stream_outside_the_map_is_called_so(fitted):
    decision = Decision(CONFIG, fitted.calibration)
    said = [decision.update(e.masked) for e in drive(seed=7).examples]
    assert np.mean([j.p_not_in_map > 0.9 for j in said[5:]]) > 0.8
    assert not any(j.believed for j in said)


def test_too_little_to_learn_from_is_refused():
    with pytest.raises(InputError, match='at least 20'):
        fit_calibration([drive(10)], CONFIG, {})
    nowhere = [replace_positives(e) for e in drive().examples]
    with pytest.raises(InputError, match='0 images show a place'):
        fit_calibration([CalibrationDrive('nowhere', nowhere)], CONFIG, {})
    perfect = [
        CalibrationExample(clear(i, i % 40), frozenset([(i + 7) % 40]), None) for i in range(40)
    ]
    with pytest.raises(InputError, match='ground truth belongs'):
        fit_calibration([CalibrationDrive('wrong', perfect)], CONFIG, {})


def test_a_map_that_is_too_small_to_leave_anything_out_is_named():
    alone = [
        replace(seen, hypotheses=seen.hypotheses[:1]) for seen in map(clear, range(40), range(40))
    ]
    examples = [CalibrationExample(seen, frozenset([i]), None) for i, seen in enumerate(alone)]
    with pytest.raises(
        InputError, match=r'every place that was found is right, .* --positive-radius'
    ):
        fit_calibration([CalibrationDrive('small', examples)], CONFIG, {})


def test_the_error_that_is_shown_is_that_of_the_probabilities_that_are_published():
    """Where the place has a small share in the belief it is right seldom, and called so."""
    rng = np.random.default_rng(0)

    def part():
        for share in rng.choice([0.2, 1.0], 400):
            right = bool(rng.random() < (0.9 if share == 1 else 0.2))
            place = PlaceBelief(0.9, float(share), 0.0, right)
            yield FilterBelief((place,), 0.1, False)

    parts = [list(part()) for _ in range(4)]
    place, _ = held_out_reliability(parts)
    shown = sum(each.count * each.said for each in place) / sum(each.count for each in place)
    right = np.mean([belief.places[0].is_right for part in parts for belief in part])
    assert shown == pytest.approx(right, abs=0.02)


def replace_positives(example: CalibrationExample) -> CalibrationExample:
    return CalibrationExample(example.observation, frozenset(), None)


def test_masks_take_out_what_is_around_a_positive():
    places = [place(index) for index in range(EVERYWHERE)]
    narrow = VerificationConfig(place_radius=10.0)  # 30 m between places
    masks = masked_references(places, [frozenset([10]), frozenset(), frozenset([0, 1])], narrow)
    assert masks == [frozenset([9, 10, 11]), frozenset(), frozenset([0, 1, 2])]


def test_masks_go_by_order_where_there_are_no_positions():
    places = [replace(place(index), pose=None) for index in range(30)]
    (mask,) = masked_references(places, [frozenset([3])], VerificationConfig(place_index_gap=2))
    assert mask == frozenset(range(12))


def test_a_map_that_is_too_small_for_a_mask_has_none():
    places = [replace(place(index), pose=None) for index in range(14)]
    config = VerificationConfig(place_index_gap=1)
    assert masked_references(places, [frozenset([6])], config) == [frozenset(range(2, 11))]
    assert masked_references(places[:13], [frozenset([6])], config) == [frozenset()]


def test_odometry_is_used_where_the_drive_has_it(fitted):
    """A robot that its odometry says to stand still cannot be two places further on."""
    decision = Decision(replace(CONFIG, place_radius=5.0), fitted.calibration)
    here = Pose(np.zeros(3), np.array([0.0, 0, 0, 1]))
    for number in range(4):
        decision.update(clear(number, 5, odometry=here))
    first = decision.update(clear(4, 7, odometry=here)).belief.probabilities[0]
    decision.reset()
    for number in range(4):
        decision.update(clear(number, 5))
    assert math.isfinite(first) and first < 0.5
