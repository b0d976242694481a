"""Which verified pairs become loop closures: once each, by agreement, by what they tell."""

import math
from dataclasses import replace

import numpy as np
import pytest

from fol_vpr.config import LoopsConfig, VerificationConfig
from fol_vpr.datatypes import Place, PlaceHypothesis, Pose, Verification
from fol_vpr.loop_closure import AdaptiveThreshold, LoopCandidate, PublicationPolicy
from fol_vpr.loop_closure.publication import MAX_REMEMBERED, MAX_THRESHOLD, evidence_bits

CHECK = VerificationConfig(min_inliers=40)
CONFIG = LoopsConfig(
    consecutive=2,
    min_information_gain_bits=1.0,
    odometry_stddev=0.1,
    closure_stddev=0.2,
    agreement=3.0,
)
OPEN = replace(CONFIG, consecutive=1, min_information_gain_bits=0.0)


def make_policy(
    config: LoopsConfig = CONFIG, threshold: AdaptiveThreshold | None = None
) -> PublicationPolicy:
    return PublicationPolicy(config, CHECK, threshold or AdaptiveThreshold(config))


def candidate(
    path: float,
    place_distance: float | None,
    *,
    inliers: int = 100,
    verification: Verification = Verification.GEOMETRY,
    keyframe: int | None = None,
    session: str = 'now',
    x: float | None = None,
    probability: float = math.nan,
) -> LoopCandidate:
    number = 0 if place_distance is None else round(place_distance)
    pose = None if x is None else Pose(np.array([x, 0.0, 0.0]), np.array([0.0, 0, 0, 1]))
    name = f'{session}/{number if x is None else x}'
    place = Place(number, name, session, 0, '', (64, 48), pose)
    hypothesis = PlaceHypothesis(
        place, 0, 0.9, probability=probability, inliers=inliers, verification=verification
    )
    return LoopCandidate(
        hypothesis, path, round(path) if keyframe is None else keyframe, place_distance
    )


def take(policy: PublicationPolicy, candidates: list[LoopCandidate]) -> PlaceHypothesis | None:
    """What is published of an image."""
    shown = policy.confirm(candidates)
    return shown.hypothesis if shown is not None and policy.publish(shown) else None


def published(policies: PublicationPolicy, *candidates: LoopCandidate) -> list[bool]:
    return [take(policies, [each]) is not None for each in candidates]


# ---- two stages


def test_a_loop_is_observed_first_and_published_when_the_next_image_agrees():
    assert published(make_policy(), candidate(100, 5), candidate(101, 6)) == [False, True]


def test_images_that_came_back_to_different_places_do_not_agree():
    assert (
        published(make_policy(), candidate(100, 5), candidate(101, 60), candidate(102, 5))
        == [False] * 3
    )


def test_places_may_be_as_far_apart_as_the_robot_has_driven():
    assert published(make_policy(), candidate(100, 5), candidate(110, 17.9)) == [False, True]
    assert published(make_policy(), candidate(100, 5), candidate(110, 18.1)) == [False, False]
    # The way back along the same street.
    assert published(make_policy(), candidate(100, 50), candidate(110, 40)) == [False, True]


@pytest.mark.parametrize(('x', 'agrees'), [(6.9, True), (7.1, False)])
def test_places_of_different_rounds_agree_where_the_odometry_has_them_near(x, agrees):
    policy = make_policy()
    seen = candidate(500, 5, x=5.0), candidate(503, 205, x=5.0 + x - 1.0)
    assert published(policy, *seen) == [False, agrees]


def test_an_image_without_a_candidate_ends_the_run():
    policy = make_policy()
    assert take(policy, [candidate(100, 5)]) is None
    assert take(policy, []) is None
    assert take(policy, [candidate(101, 6)]) is None
    assert take(policy, [candidate(102, 7)]) is not None
    policy = make_policy()
    take(policy, [candidate(100, 5)])
    policy.reset()
    assert take(policy, [candidate(101, 6)]) is None


def test_without_geometry_nothing_is_published_by_default():
    seen = [candidate(100 + i, 5 + i, verification=Verification.LOCAL) for i in range(20)]
    assert not any(published(make_policy(), *seen))


def half_verified(count: int, rate: float, inliers: int = 20) -> list[LoopCandidate]:
    """Images a metre apart that fall short of the geometry, of places passed at a rate."""
    return [
        candidate(100 + i, 50 + rate * i, inliers=inliers, verification=Verification.LOCAL)
        for i in range(count)
    ]


@pytest.mark.parametrize('rate', [1.0, -1.0, 0.8, 1.2])
def test_a_sequence_can_verify_what_geometry_falls_short_of(rate):
    policy = make_policy(replace(CONFIG, sequence=10.0))
    answers = [take(policy, [each]) for each in half_verified(12, rate)]
    assert [a is not None for a in answers] == [False] * 10 + [True, False]
    assert answers[10].verification == Verification.SEQUENCE


def test_what_is_certain_is_so_whether_it_is_published_or_not():
    policy = make_policy()
    seen = [candidate(100 + 0.5 * i, 5 + 0.5 * i) for i in range(6)]
    certain = [policy.confirm([each]) for each in seen]
    assert certain[0] is None and None not in certain[1:]
    told = [policy.publish(each) for each in certain[1:]]
    assert told == [True, False, False, False, False], 'the others are too near to it'
    assert certain[3].hypothesis.verification == Verification.GEOMETRY
    assert (certain[3].distance, certain[3].place_distance) == (101.5, 6.5)


def test_what_many_images_resemble_is_no_sequence():
    config = replace(CONFIG, sequence=10.0)
    assert not any(published(make_policy(config), *half_verified(40, rate=0.0)))
    assert not any(published(make_policy(config), *half_verified(40, rate=2.0)))


def test_a_sequence_needs_some_support_from_every_image():
    config = replace(CONFIG, sequence=10.0)
    seen = half_verified(15, rate=1.0)
    seen[7] = replace_inliers(seen[7], 19)
    assert not any(published(make_policy(config), *seen))
    assert not any(published(make_policy(), *half_verified(15, rate=1.0))), 'not asked for'


def replace_inliers(seen: LoopCandidate, inliers: int) -> LoopCandidate:
    return replace(seen, hypothesis=replace(seen.hypothesis, inliers=inliers))


def test_of_several_the_one_with_the_most_support_counts():
    policy = make_policy(OPEN)
    weak = candidate(100, 5, inliers=200, verification=Verification.LOCAL)
    strong = candidate(100, 9, inliers=80)
    assert take(policy, [weak, strong]).place.place_id == 'now/9'


# ---- no near-duplicates


def test_a_pair_of_keyframes_gives_one_closure():
    again = candidate(100.4, 5, keyframe=100)
    assert published(make_policy(OPEN), candidate(100, 5), again, candidate(101, 5)) == [
        True,
        False,
        True,
    ]


def test_a_closure_near_another_one_tells_little():
    """R = 0.04 m², q = 0.01 m²/m: one bit is V = 0.12 m², 12 m of path, or 8 m from a closure."""
    config = replace(CONFIG, consecutive=1)
    policy = make_policy(config)
    assert policy.information_gain_bits(candidate(100, 88)) == pytest.approx(1.0)
    assert take(policy, [candidate(100, 89)]) is None
    assert take(policy, [candidate(100, 10)]) is not None
    assert policy.information_gain_bits(candidate(104, 14)) == pytest.approx(1.0)
    assert published(policy, candidate(103, 13), candidate(103.9, 14), candidate(104.1, 14)) == [
        False,
        False,
        True,
    ]
    # Elsewhere in the loop, far from both.
    assert take(policy, [candidate(104.5, 60)]) is not None


def test_a_robot_that_stands_in_a_known_place_says_so_once():
    policy = make_policy()
    told = published(policy, *(candidate(100 + 0.001 * i, 5) for i in range(1000)))
    assert sum(told) == 1 and told[1]


def test_the_first_closure_with_another_session_tells_everything():
    policy = make_policy(replace(CONFIG, consecutive=1))
    first = candidate(50, None, session='map', x=3.0)
    assert math.isinf(policy.information_gain_bits(first)) and policy.accept_map_closure(first)
    assert not policy.accept_map_closure(candidate(51, None, session='map', x=4.0))
    assert policy.accept_map_closure(candidate(54.1, None, session='map', x=7.0))
    assert policy.accept_map_closure(candidate(54.1, None, session='another map', x=7.0))
    believed = candidate(90, None, session='map', x=60.0, verification=Verification.LOCAL)
    assert not policy.accept_map_closure(believed), 'it is localized by the images before'


def test_gain_never_grows_with_more_closures():
    config = replace(CONFIG, consecutive=1, min_information_gain_bits=0.0)
    rng = np.random.default_rng(1)
    policy, probe = make_policy(config), candidate(500, 100)
    last = policy.information_gain_bits(probe)
    for path in np.sort(rng.uniform(200, 800, 50)):
        policy.remember(candidate(path, float(rng.uniform(0, 150))))
        assert policy.information_gain_bits(probe) <= last + 1e-12
        last = policy.information_gain_bits(probe)


def test_what_is_remembered_is_bounded():
    policy = make_policy(OPEN)
    for i in range(MAX_REMEMBERED + 200):
        policy.remember(candidate(float(i), 5.0, keyframe=i))
    assert len(policy._pairs) == MAX_REMEMBERED
    rows = policy._published['now']
    assert rows._rows.shape == (MAX_REMEMBERED, 5)
    assert policy.information_gain_bits(candidate(MAX_REMEMBERED + 199.0, 5.0)) == pytest.approx(
        0.5
    )


# ---- the threshold


def test_evidence_is_counted_in_doublings():
    assert evidence_bits(candidate(0, 0, inliers=40).hypothesis, CONFIG, CHECK) == 0
    assert evidence_bits(candidate(0, 0, inliers=160).hypothesis, CONFIG, CHECK) == 2
    likely = candidate(0, 0, inliers=160, probability=0.8).hypothesis
    assert evidence_bits(likely, replace(CONFIG, min_probability=0.5), CHECK) == pytest.approx(2)
    certain = candidate(0, 0, probability=1.0).hypothesis
    assert math.isfinite(evidence_bits(certain, CONFIG, CHECK))


def test_rejections_raise_what_a_closure_needs():
    config = replace(CONFIG, consecutive=1, min_information_gain_bits=0.0, feedback_step=0.5)
    threshold = AdaptiveThreshold(config)
    policy = make_policy(config, threshold)
    assert take(policy, [candidate(100, 5, inliers=45)]) is not None
    threshold.learn(rejected=True)
    assert threshold.value == pytest.approx(0.5 * (1 - config.target_rejection_rate))
    assert take(policy, [candidate(110, 5, inliers=45)]) is None
    assert take(policy, [candidate(120, 5, inliers=60)]) is not None
    weak = candidate(130, None, session='map', x=0.0, inliers=45)
    assert not policy.accept_map_closure(weak)


def test_the_threshold_stays_within_its_bounds():
    threshold = AdaptiveThreshold(CONFIG)
    threshold.learn(rejected=False)
    assert threshold.value == 0
    for _ in range(100):
        threshold.learn(rejected=True)
    assert threshold.value == MAX_THRESHOLD
    for _ in range(1000):
        threshold.learn(rejected=False)
    assert threshold.value == 0


def test_in_the_long_run_as_many_are_rejected_as_is_wanted():
    """A back-end that rejects what has less than 1.5 doublings, but for some noise."""
    config = replace(CONFIG, target_rejection_rate=0.1, feedback_step=0.1)
    threshold = AdaptiveThreshold(config)
    rng = np.random.default_rng(3)
    rejections = []
    while len(rejections) < 4000:
        strength = rng.exponential(1.5)
        if strength >= threshold.value:
            rejections.append(bool(strength < 1.5 + 0.3 * rng.standard_normal()))
            threshold.learn(rejections[-1])
    assert np.mean(rejections[:20]) > 0.2
    assert np.mean(rejections[1000:]) == pytest.approx(0.1, abs=0.02)


def test_other_settings_leave_what_was_published():
    policy = make_policy(replace(CONFIG, consecutive=1))
    assert take(policy, [candidate(100, 5)]) is not None
    policy.set_config(OPEN, CHECK)
    assert take(policy, [candidate(100, 5)]) is None
    assert take(policy, [candidate(101, 6)]) is not None
