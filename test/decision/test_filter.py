"""The filter against what Bayes' rule gives by hand, and in the situations that it is made for."""

import math

import numpy as np
import pytest

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Place, Pose
from fol_vpr.decision.filter import P_ENTER, P_JUMP, P_LEAVE, Belief, PlaceFilter, PlaceLikelihood
from fol_vpr.decision.motion import RobotMotion

CONFIG = VerificationConfig(place_radius=5.0, speed=2.0)
MISS_RATE, DIVERSITY = 0.1, 4.0
STRONG = 5.0


def place(index: int, x: float = math.nan, yaw: float = 0.0) -> Place:
    pose = None
    if not math.isnan(x):
        quaternion = np.array([0, 0, math.sin(yaw / 2), math.cos(yaw / 2)])
        pose = Pose(np.array([x, 0.0, 0.0]), quaternion)
    return Place(index, f'p{index}', 's', 0, '', (640, 480), pose)


def filter_() -> PlaceFilter:
    return PlaceFilter(CONFIG, MISS_RATE, DIVERSITY)


def ahead(metres: float, turn: float = 0.0) -> RobotMotion:
    """By odometry, a second later."""
    start = Pose(np.zeros(3), np.array([0, 0, 0, 1.0]))
    quaternion = np.array([0, 0, math.sin(turn / 2), math.cos(turn / 2)])
    return RobotMotion.between(start, Pose(np.array([metres, 0.0, 0.0]), quaternion), 1.0)


def step(
    belief_of: PlaceFilter,
    *shown: tuple[Place, float],
    motion: RobotMotion | None = None,
    novelty=1.0,
) -> Belief:
    belief_of.predict(motion or RobotMotion(1.0), novelty)
    return belief_of.update([PlaceLikelihood(*each) for each in shown], novelty)


def test_the_first_image_is_bayes_rule_with_a_flat_prior():
    belief = filter_().update([PlaceLikelihood(place(0, 0.0), 2.0)], 1.0)
    # Half of the belief is outside the map, with likelihood 1; of the other half 1 / DIVERSITY is
    # at the place with DIVERSITY times the ratio, and the rest is missed.
    there, outside = 0.5 * math.exp(2.0), 0.5
    missed = 0.5 * (1 - 1 / DIVERSITY) * MISS_RATE
    total = there + outside + missed
    assert belief.probabilities[0] == pytest.approx(there / total)
    assert belief.p_outside_map == pytest.approx(outside / total)
    assert belief.p_unvisited == pytest.approx(missed / total)


def test_two_places_share_the_belief_by_their_ratios():
    belief = filter_().update(
        [PlaceLikelihood(place(0, 0.0), 3.0), PlaceLikelihood(place(1, 100.0), 1.0)], 1.0
    )
    assert belief.probabilities[0] / belief.probabilities[1] == pytest.approx(math.exp(2.0))


def test_all_belief_adds_up_to_one():
    rng = np.random.default_rng(1)
    filtered = filter_()
    for _ in range(200):
        shown = [(place(i, 30.0 * i), float(rng.normal(0, 4))) for i in rng.permutation(9)[:4]]
        step(filtered, *shown, motion=RobotMotion(float(rng.uniform(0, 3))))
        total = (
            sum(a.mass for a in filtered.anchors) + filtered._p_outside_map + filtered._p_unvisited
        )
        assert total == pytest.approx(1.0)
        assert len(filtered.anchors) <= 64


def test_what_moves_between_the_states_is_what_the_rates_say():
    filtered = filter_()
    filtered.predict(RobotMotion(1.0), 1.0)
    assert filtered._p_outside_map == pytest.approx(0.5 + P_LEAVE * 0.5 - P_ENTER * 0.5)
    filtered.update([PlaceLikelihood(place(0, 0.0), 7.0)], 1.0)
    before = filtered.anchors[0].mass
    filtered.predict(RobotMotion(1.0), 1.0)
    assert filtered.anchors[0].mass == pytest.approx(before * (1 - P_LEAVE - P_JUMP))


@pytest.mark.parametrize('novelty', [0.0, 0.1, 0.7, 1.0])
def test_going_on_neither_makes_nor_loses_belief(novelty):
    filtered = filter_()
    filtered.update(
        [PlaceLikelihood(place(0, 0.0), 3.0), PlaceLikelihood(place(1, 100.0), 1.0)], 1.0
    )
    before = filtered._p_unvisited
    for _ in range(3):
        filtered.predict(RobotMotion(1.0), novelty)
        total = (
            sum(a.mass for a in filtered.anchors) + filtered._p_outside_map + filtered._p_unvisited
        )
        assert total == pytest.approx(1.0, abs=1e-12)
    assert (filtered._p_unvisited == before) == (novelty == 0)


def test_a_place_that_was_expected_may_still_show_what_no_candidate_has():
    """An expected place that an image does not show keeps the belief that it was just missed."""
    filtered = filter_()
    filtered.update([PlaceLikelihood(place(0, 0.0), 7.0)], 1.0)
    mass, outside = filtered.anchors[0].mass, filtered._p_outside_map
    filtered.update([PlaceLikelihood(place(0, 0.0), 0.0)], 1.0)
    # 0.95 of it shows it, with DIVERSITY times the ratio; the rest is missed, MISS_RATE of it.
    odds = [a.mass / filtered._p_outside_map for a in filtered.anchors]
    chance = (1 - mass - outside) / DIVERSITY
    assert odds[0] == pytest.approx((0.95 * mass + chance) * DIVERSITY / outside)
    assert odds[1] == pytest.approx(0.05 * mass * MISS_RATE / outside)


@pytest.mark.parametrize(('metres', 'reach'), [(500.0, 0.0), (8.0, math.exp(-0.5 * 2.4**2))])
def test_a_place_hardly_in_reach_gets_as_little_of_the_belief(metres, reach):
    filtered = filter_()
    filtered.update([PlaceLikelihood(place(0, 0.0), 3.0)], 1.0)
    mass, outside = filtered.anchors[0].mass, filtered._p_outside_map
    filtered.update([PlaceLikelihood(place(1, metres), 0.0)], 1.0)
    kept = {a.place.index: a.mass for a in filtered.anchors}
    assert kept[0] / filtered._p_outside_map == pytest.approx(
        (1 - 0.95 * reach) * mass * MISS_RATE / outside
    )


def test_an_image_that_speaks_against_a_place_is_not_counted_for_it():
    filtered = filter_()
    counts = [step(filtered, (place(0, 0.0), ratio)).images for ratio in (2.0, -0.5, 0.0, 1.0)]
    assert counts == [(1,), (1,), (1,), (2,)]


def test_what_is_hardly_believed_is_forgotten():
    filtered = filter_()
    step(filtered, (place(0, 0.0), 5.0), (place(1, 500.0), -6.0))
    assert [a.place.index for a in filtered.anchors] == [0]


def test_a_drive_along_the_map_is_believed():
    filtered = filter_()
    for i in range(4):
        belief = step(filtered, (place(i, 3.0 * i), 1.0), motion=ahead(3.0))
    assert belief.probabilities[0] > 0.95 and belief.images == (4,)


def test_a_flash_of_a_look_alike_does_not_teleport():
    filtered = filter_()
    for i in range(6):
        step(filtered, (place(i, 3.0 * i), 2.0), motion=ahead(3.0))
    flash = step(filtered, (place(90, 500.0), STRONG), motion=ahead(3.0))
    assert flash.probabilities[0] < 0.95 and flash.images == (1,)
    back = step(filtered, (place(7, 21.0), 2.0), motion=ahead(3.0))
    assert back.probabilities[0] > 0.95 and back.images == (7,)


def test_a_kidnapped_robot_is_found_within_a_few_images():
    filtered = filter_()
    for i in range(20):
        step(filtered, (place(i, 3.0 * i), 3.0), motion=ahead(3.0))
    beliefs = [
        step(filtered, (place(90 + i, 500.0 + 3 * i), 3.0), motion=ahead(3.0)).probabilities[0]
        for i in range(5)
    ]
    assert beliefs[0] < 0.95
    assert max(beliefs[:4]) > 0.95


def test_images_without_a_known_place_lead_outside_the_map():
    filtered = filter_()
    for i in range(6):
        step(filtered, (place(i, 3.0 * i), 3.0), motion=ahead(3.0))
    for _ in range(6):
        belief = step(filtered, (place(50, 300.0), -4.0), motion=ahead(3.0))
    assert belief.p_outside_map > 0.95
    belief = step(filtered, (place(50, 300.0), 5.0), motion=ahead(3.0))
    belief = step(filtered, (place(51, 303.0), 5.0), motion=ahead(3.0))
    assert belief.probabilities[0] > 0.95


def test_a_robot_that_stands_still_does_not_become_sure_by_counting():
    moving, standing = filter_(), filter_()
    for _ in range(10):
        step(standing, (place(0, 0.0), 0.3), motion=ahead(0.0), novelty=0.1)
    for i in range(10):
        step(moving, (place(i, 3.0 * i), 0.3), motion=ahead(3.0))
    assert standing._anchors[0].mass < moving._anchors[0].mass


def test_an_image_that_counts_nothing_changes_nothing():
    filtered = filter_()
    filtered.update(
        [PlaceLikelihood(place(0, 0.0), 3.0), PlaceLikelihood(place(1, 100.0), -1.0)], 1.0
    )
    before = {a.place.index: a.mass for a in filtered.anchors}
    outside = filtered._p_outside_map
    belief = filtered.update([], 0.0)
    assert {a.place.index: a.mass for a in filtered.anchors} == pytest.approx(before)
    assert belief.p_outside_map == pytest.approx(outside)
    belief = filtered.update([PlaceLikelihood(place(9, 900.0), 7.0)], 0.0)
    assert belief.p_outside_map == pytest.approx(outside) and belief.images == (0,)


def test_odometry_carries_the_belief_to_where_the_robot_is():
    """60 m to the north of a place that was passed northwards; without it only 2 m/s."""
    beliefs = {}
    for name, motion in (('odometry', ahead(60.0)), ('none', RobotMotion(1.0))):
        filtered = filter_()
        for _ in range(4):
            step(filtered, (place(0, 0.0, yaw=math.pi), 2.0), motion=ahead(0.0))
        # Facing -x: 60 m ahead is at -60.
        beliefs[name] = step(filtered, (place(40, -60.0), 0.0), motion=motion).probabilities[0]
        behind = step(filtered, (place(20, 60.0), 0.0), motion=RobotMotion(0.0)).probabilities[0]
        assert behind < 0.3
    assert beliefs['odometry'] > 0.9
    assert beliefs['none'] < 0.3


def test_a_turn_turns_the_way_that_follows():
    filtered = filter_()
    for _ in range(4):
        step(filtered, (place(0, 0.0), 2.0), motion=ahead(0.0))
    filtered.predict(ahead(0.0, turn=math.pi), 1.0)
    filtered.predict(ahead(40.0), 1.0)
    assert filtered.anchors[0].predicted.position == pytest.approx([-40.0, 0.0, 0.0])


def test_without_positions_the_order_in_the_session_is_the_way():
    filtered = filter_()
    for i in range(5):
        belief = step(filtered, (place(3 * i), 0.5))
    assert belief.probabilities[0] > 0.9 and belief.images == (5,)
    far = step(filtered, (place(300), 0.5))
    assert far.probabilities[0] < 0.2 and far.images == (1,)


def test_a_place_is_believed_together_with_what_is_beside_it():
    belief = filter_().update(
        [PlaceLikelihood(place(0, 0.0), 3.0), PlaceLikelihood(place(1, 8.0), 3.0)], 1.0
    )
    alone = filter_().update(
        [PlaceLikelihood(place(0, 0.0), 3.0), PlaceLikelihood(place(1, 80.0), 3.0)], 1.0
    )
    assert belief.probabilities[0] == pytest.approx(2 * alone.probabilities[0])
    assert belief.shares == pytest.approx((0.5, 0.5)) and alone.shares == pytest.approx((1.0, 1.0))


def test_the_cost_does_not_grow_with_what_was_seen():
    filtered = filter_()
    for i in range(300):
        shown = [(place(1000 * i + j, 1000.0 * i + 100 * j), 0.0) for j in range(5)]
        step(filtered, *shown)
    assert len(filtered.anchors) <= 64
