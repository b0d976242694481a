"""When the state is LOCALIZED, NOT_IN_MAP, AMBIGUOUS or UNKNOWN."""

import math
from dataclasses import replace

import numpy as np
import pytest
from helpers.decision.calibrated import CALIBRATED, CONFIG, decision
from helpers.decision.observations import clear, hypothesis, observation, place, poor, two_places

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import LocalizationState, Pose, Verification
from fol_vpr.decision import FEATURES, Calibration, PlattScaling, collect_evidence
from fol_vpr.decision.verdict import judge
from fol_vpr.errors import InputError

UNKNOWN, NOT_IN_MAP, AMBIGUOUS, LOCALIZED = LocalizationState


def test_localized_once_enough_images_spoke_for_a_place():
    update = decision().update
    said = [update(clear(i, 5)) for i in range(4)]
    assert [j.state for j in said] == [UNKNOWN, UNKNOWN, LOCALIZED, LOCALIZED]
    assert said[2].believed.place.index == 5
    assert said[2].probability(said[2].believed.place) > 0.95
    assert said[2].p_not_in_map < 0.05


@pytest.mark.parametrize('calibration', [None, CALIBRATED])
def test_one_look_alike_image_does_not_teleport(calibration):
    update = decision(calibration=calibration).update
    for i in range(6):
        update(clear(i, 5))
    flash = update(clear(6, 30))
    assert flash.state == UNKNOWN and flash.believed is None
    assert update(clear(7, 5)).believed.place.index == 5


@pytest.mark.parametrize('calibration', [None, CALIBRATED])
def test_a_kidnapped_robot_is_localized_again_within_a_few_images(calibration):
    update = decision(calibration=calibration).update
    for i in range(20):
        update(clear(i, 5))
    states = [update(clear(20 + i, 30)) for i in range(5)]
    assert states[0].state == UNKNOWN
    assert LOCALIZED in [j.state for j in states[:4]]
    assert {j.believed.place.index for j in states if j.believed} == {30}


def test_not_in_the_map_is_said_by_calibrated_maps_only():
    calibrated, not_so = decision(), decision(calibration=None)
    for i in range(8):
        said, unsaid = calibrated.update(poor(i, i)), not_so.update(poor(i, i))
    assert said.state == NOT_IN_MAP and said.p_not_in_map > 0.95
    assert unsaid.state == UNKNOWN and math.isnan(unsaid.p_not_in_map)


def test_without_a_calibration_there_are_no_probabilities():
    update = decision(calibration=None).update
    said = [update(clear(i, 5)) for i in range(6)][-1]
    assert said.state == LOCALIZED
    assert math.isnan(said.probability(said.believed.place))


def test_without_a_calibration_a_place_must_have_passed_the_geometry():
    strong = [hypothesis(5, 0.95, 3000, 39), hypothesis(20, 0.4, 50, 10, 1)]
    assert strong[0].verification != Verification.GEOMETRY
    update = decision(calibration=None).update
    for i in range(10):
        assert update(observation(i, strong)).state != LOCALIZED
    update = decision().update
    assert LOCALIZED in [update(observation(i, strong)).state for i in range(10)]


@pytest.mark.parametrize('jump', [-1, 6])
def test_stamps_that_jump_start_anew(jump):
    update = decision().update
    for i in range(5):
        update(clear(100 + i, 5))
    assert update(clear(104 + jump, 5)).state == UNKNOWN


def test_images_without_times_count_together():
    update = decision().update
    assert [update(clear(0, 5)).state for _ in range(4)] == [
        UNKNOWN,
        UNKNOWN,
        LOCALIZED,
        LOCALIZED,
    ]


def test_a_reset_forgets_the_last_image_too():
    """What looks like it is new again: nothing else is known."""
    view = np.array([1.0, 0.0])
    fresh, again = decision(), decision()
    for i in range(3):
        again.update(clear(i, 30, descriptor=view))
    again.reset()
    seen = clear(3, 5, descriptor=view)
    assert again.update(seen).belief == fresh.update(seen).belief


def test_not_in_the_map_takes_as_many_images_as_a_place():
    update = decision(replace(CONFIG, probability=0.5)).update
    said = [update(poor(i, i)) for i in range(4)]
    assert said[0].p_not_in_map >= 0.5
    assert [each.state for each in said] == [UNKNOWN, UNKNOWN, NOT_IN_MAP, NOT_IN_MAP]


def test_two_places_that_explain_the_image_alike_are_ambiguous():
    def two(apart: int, rival: int):
        seen = [hypothesis(5, 0.9, 400, 300), hypothesis(5 + apart, 0.89, 400, rival, 1)]
        update = decision().update
        return [update(observation(i, seen)) for i in range(4)][-1]

    shared = two(20, 300)
    assert shared.state == AMBIGUOUS and shared.believed is None
    assert two(20, 8).state == LOCALIZED


BESIDE_ONE_ANOTHER = replace(CONFIG, place_radius=20.0)  # 30 m is beside, and not the same


def test_places_beside_each_other_do_not_contradict():
    for apart, state in ((1, LOCALIZED), (20, AMBIGUOUS)):
        update = decision(BESIDE_ONE_ANOTHER).update
        said = [update(observation(i, two_places(300, apart))) for i in range(4)][-1]
        assert said.state == state
    # Nor where one of them alone would be too little.
    update = decision(replace(BESIDE_ONE_ANOTHER, consecutive=9)).update
    assert update(observation(0, two_places(300, apart=1))).state == UNKNOWN


def test_ambiguous_is_said_of_places_that_the_image_itself_speaks_for():
    update = decision(replace(CONFIG, probability=0.7)).update
    for i in range(4):
        assert update(observation(i, two_places(300))).state in (UNKNOWN, AMBIGUOUS)
    faint = [hypothesis(5, 0.45, 90, 9), hypothesis(25, 0.45, 90, 9, 1)]
    said = update(observation(4, faint))
    assert sum(said.belief.probabilities) > 0.7 and said.state == UNKNOWN


def test_ambiguous_places_are_as_probable_together_as_one_has_to_be():
    seen = [hypothesis(5, 0.55, 150, 105), hypothesis(25, 0.55, 150, 105, 1)]
    states = {}
    for asked in (0.5, 0.999):
        update = decision(replace(CONFIG, probability=asked)).update
        for i in range(2):
            said = update(observation(i, seen))
        states[asked] = said.state
        assert 0.5 < sum(said.belief.probabilities) < 0.999
    assert states == {0.5: AMBIGUOUS, 0.999: UNKNOWN}


def test_a_place_that_is_far_less_probable_is_no_rival():
    """Both speak for themselves, and together they are sure enough, the first one alone is not."""

    def said(inliers: int):
        update = decision(replace(CONFIG, probability=0.95, consecutive=9)).update
        return [update(observation(i, two_places(300, second=inliers))) for i in range(2)][-1]

    even, uneven = said(290), said(150)
    assert even.state == AMBIGUOUS
    assert sum(uneven.belief.probabilities) > 0.95 and uneven.state == UNKNOWN
    assert min(uneven.belief.probabilities) < 0.2 * max(uneven.belief.probabilities)


def test_what_is_beside_a_place_has_its_share_of_the_probability():
    def probability(share: float) -> float:
        scaled = replace(CALIBRATED, place_scaling=PlattScaling(share_slope=share))
        update = decision(BESIDE_ONE_ANOTHER, scaled).update
        return [update(observation(i, two_places(300, apart=1))) for i in range(3)][
            -1
        ].probabilities[5]

    assert probability(2.0) < probability(1.0) < probability(0.0)


def exact(weight: float = 1.0, slope: float = 0.5) -> Calibration:
    """Inliers tell a place from one beside it."""
    weights = np.zeros(len(FEATURES))
    weights[list(FEATURES).index('inliers')] = weight
    scaling = replace(CALIBRATED.place_scaling, exactness_slope=slope)
    return replace(CALIBRATED, exact_weights=weights, place_scaling=scaling)


def test_evidence_that_a_place_beside_would_not_show_makes_it_more_probable():
    def probability(weight: float, slope: float) -> float:
        update = decision(calibration=exact(weight, slope)).update
        return update(clear(0, 5)).probabilities[5]

    assert probability(1.0, 0.5) > probability(0.0, 0.5) == probability(1.0, 0.0)


def test_what_a_poor_image_shows_of_a_place_counts_for_less_as_exactness():
    seen = clear(0, 5)
    clear_one, poor_one = (
        decision(calibration=exact()).update(replace(seen, quality=quality))
        for quality in (1.0, 0.1)
    )
    assert poor_one.exactness == pytest.approx([0.1 * each for each in clear_one.exactness])
    assert clear_one.exactness[0] != 0


@pytest.mark.parametrize('second', [290, 150, 60])
def test_two_places_together_are_no_less_probable_than_each_of_them(second, monkeypatch):
    judged = []
    monkeypatch.setattr(
        'fol_vpr.decision.decision.judge', lambda *given: judged.append(given[0]) or judge(*given)
    )
    decision(replace(CONFIG, consecutive=9), exact(3.0, 1.0)).update(
        observation(0, two_places(300, second=second))
    )
    (situation,) = judged
    assert situation.rival.together >= situation.leader.probability


def test_any_other_place_is_no_more_probable_than_what_is_left_for_it():
    update = decision().update
    for observed in (poor(0, 3), poor(1, 9), clear(2, 5), clear(3, 5)):
        said = update(observed)
        assert said.p_other_place == pytest.approx(
            min(
                said.belief.p_unvisited * CALIBRATED.repeat_rate,
                1 - max(said.probabilities.values()),
            )
        )
        assert said.probability(place(39)) == said.p_other_place


def test_the_user_asks_for_a_probability_and_gets_less_the_more_it_is():
    seen = [hypothesis(5, 0.6, 200, 60), hypothesis(20, 0.5, 150, 20, 1)]
    localized = {}
    for asked in (0.5, 0.9, 0.99, 0.9999):
        update = decision(replace(CONFIG, probability=asked, consecutive=1)).update
        said = [update(observation(i, seen)) for i in range(6)]
        localized[asked] = sum(j.state == LOCALIZED for j in said)
        for each in said:
            if each.state == LOCALIZED:
                assert each.probability(each.believed.place) >= asked
    counts = list(localized.values())
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]


def test_a_poor_image_counts_for_less_and_an_unusable_one_for_nothing():
    def after(quality: float):
        update = decision().update
        for i in range(2):
            update(clear(i, 5))
        return update(clear(2, 30, quality=quality)).belief

    believed = [after(quality).probabilities[0] for quality in (0.0, 0.3, 1.0)]
    assert believed == sorted(believed) and 100 * believed[0] < believed[2]
    assert after(0.0).images[0] == 0 and after(0.3).images[0] == 1


def test_of_an_unusable_image_nothing_is_said_and_nothing_forgotten_for_it():
    """Whatever the black of a covered lens resembles, be it the place where the robot is."""
    for usable, state in ((clear, LOCALIZED), (poor, NOT_IN_MAP)):
        update = decision(replace(CONFIG, probability=0.8)).update
        for i in range(8):
            assert update(usable(i, 5)).state in (UNKNOWN, state)
        covered = update(usable(8, 5, quality=0.0))
        assert covered.state == UNKNOWN and covered.believed is None
        assert update(usable(9, 5)).state == state
    both = [hypothesis(5, 0.9, 400, 300), hypothesis(25, 0.89, 400, 300, 1)]
    update = decision().update
    said = [update(observation(i, both, quality=float(i != 4))).state for i in range(6)]
    assert said[3:] == [AMBIGUOUS, UNKNOWN, AMBIGUOUS]


def test_images_of_a_robot_that_stands_still_are_not_independent():
    rng = np.random.default_rng(0)
    same = rng.normal(size=64)
    same /= np.linalg.norm(same)
    here = Pose(np.zeros(3), np.array([0.0, 0, 0, 1]))

    def believed(moves: bool) -> float:
        update = decision().update
        seen = [hypothesis(5, 0.5, 120, 20), hypothesis(20, 0.45, 100, 15, 1)]
        for i in range(6):
            other = rng.normal(size=64)
            descriptor = other / np.linalg.norm(other) if moves else same
            fields = {'descriptor': descriptor, 'odometry': here}
            said = update(observation(i, seen, **fields))
        odds = said.belief.probabilities[0] / said.belief.p_outside_map
        return abs(math.log(odds))

    assert believed(True) > 1.5 * believed(False)


@pytest.mark.parametrize(
    'further',
    [
        Pose(np.array([9.0, 0, 0]), np.array([0.0, 0, 0, 1])),
        Pose(np.zeros(3), np.array([0.0, 0, 0.7071, 0.7071])),
    ],
    ids=['moved', 'turned'],
)
def test_odometry_tells_that_images_alike_are_of_different_views(further):
    """Along a hedge, or turning under a white ceiling."""
    view = np.array([1.0, 0.0])
    here = Pose(np.zeros(3), np.array([0.0, 0, 0, 1]))
    seen = [hypothesis(5, 0.5, 120, 20), hypothesis(20, 0.45, 100, 15, 1)]

    def odds(second: Pose) -> float:
        update = decision().update
        for i, pose in enumerate((here, second)):
            said = update(observation(i, seen, descriptor=view, odometry=pose))
        return abs(math.log(said.belief.probabilities[0] / said.belief.p_outside_map))

    assert odds(further) > 1.2 * odds(here)


def test_a_robot_that_was_parked_is_localized_all_the_same():
    view = np.array([1.0, 0.0])
    here = Pose(np.zeros(3), np.array([0.0, 0, 0, 1]))
    update = decision().update
    states = [update(clear(i, 5, descriptor=view, odometry=here)).state for i in range(40)]
    assert states[-1] == LOCALIZED


def test_a_single_query_counts_by_the_quality_of_its_image():
    update = decision().update
    shown = [
        update(clear(0, 5, quality=quality), sequence=False).belief.probabilities[0]
        for quality in (0.1, 0.5, 1.0)
    ]
    assert shown == sorted(shown) and shown[0] < 0.8 * shown[-1]


def test_a_single_query_neither_uses_nor_leaves_evidence():
    with_queries, without = decision(), decision()
    for i in range(4):
        single = with_queries.update(clear(i, 30), sequence=False)
        assert single.state == UNKNOWN
        a, b = with_queries.update(clear(i, 5)), without.update(clear(i, 5))
        assert a.belief == b.belief
    alone = decision(replace(CONFIG, consecutive=1)).update(clear(0, 30), sequence=False)
    assert alone.state == LOCALIZED


def test_the_verified_hypothesis_with_most_inliers_is_believed():
    update = decision().update
    near = replace(hypothesis(5, 0.89, 410, 350, 1), place=replace(hypothesis(5, 0, 0).place))
    seen = [hypothesis(5, 0.9, 400, 300), near]
    said = [update(observation(i, seen)) for i in range(4)][-1]
    assert said.believed is near


def test_more_inliers_or_matches_never_make_a_place_less_probable():
    def ratio(calibration, **changes) -> float:
        first = hypothesis(5, 0.6, 200, 60)
        if 'inliers' in changes:
            inliers = changes['inliers']
            changes['regions'] = inliers // 2
        seen = [replace(first, **changes), hypothesis(20, 0.5, 150, 20, 1)]
        return calibration.log_ratio(collect_evidence(observation(0, seen), CONFIG)[0].features)

    for name, values in {
        'inliers': range(0, 200, 10),
        'similarity': np.linspace(0.5, 0.99, 20),
    }.items():
        ratios = [ratio(CALIBRATED, **{name: value}) for value in values]
        assert ratios == sorted(ratios) and ratios[0] < ratios[-1]


@pytest.mark.parametrize('far', [1e7, 1e9])
def test_odometry_that_went_astray_leaves_probabilities_what_they_are(far):
    """A filter upstream that diverged; afterwards it is as if there had been no odometry."""
    with_it, without = decision(), decision()
    for i in range(12):
        x = {6: far, 7: -far}.get(i, 0.1 * i)
        here = Pose(np.array([x, 0.0, 0.0]), np.array([0.0, 0, 0, 1]))
        said, plain = with_it.update(clear(i, 5, odometry=here)), without.update(clear(i, 5))
        assert all(
            0 <= p <= 1
            for p in (said.p_not_in_map, said.p_other_place, *said.belief.probabilities)
        )
    assert said.state == LOCALIZED and said.believed.place.index == 5
    assert said.belief.images == plain.belief.images


def test_no_place_is_as_large_as_the_world():
    with pytest.raises(InputError, match='place_radius is inf'):
        VerificationConfig(place_radius=math.inf)


def test_no_hypotheses_are_no_evidence_for_any_place():
    update = decision().update
    for i in range(6):
        said = update(observation(i, []))
    assert said.believed is None and said.belief.probabilities == ()
