"""Which images of a stream have their pose measured."""

from dataclasses import replace

from helpers.geometry.wall_scene import CONFIG, Scene, scene
from helpers.geometry.walls import MOUNTS

from fol_vpr.datatypes import PoseSource, Verification
from fol_vpr.recognizer.ranking import PoseMeasurement, RankedHypotheses

SECOND = 1_000_000_000


def sources(poses: PoseMeasurement, given: Scene, rate: float, tenths: list[int]) -> list[str]:
    """Where the leading pose comes from for images at these times, tenths of a second."""
    config = replace(CONFIG, pose_rate=rate)
    found = []
    for tenth in tenths:
        frame = replace(given.frame, stamp_ns=tenth * SECOND // 10)
        ranking = RankedHypotheses([given.hypothesis], None)
        measured = poses.measure_if_due(ranking, frame, given.views, config)
        found.append(measured.hypotheses[0].pose_source.name)
        if found[-1] == 'OF_MAP_IMAGE':
            assert measured.hypotheses[0].relative is None
            assert measured.hypotheses[0].pose is given.hypothesis.place.pose
    return found


def test_without_a_rate_every_image_is_measured():
    assert sources(PoseMeasurement(True), scene(MOUNTS['ahead']), 0.0, [1, 2]) == ['REFINED'] * 2


def test_at_a_rate_the_others_carry_the_pose_of_the_map_image():
    poses, given = PoseMeasurement(True), scene(MOUNTS['ahead'])
    found = sources(poses, given, 5.0, [10, 11, 12, 13, 15])
    assert found == ['REFINED', 'OF_MAP_IMAGE', 'REFINED', 'OF_MAP_IMAGE', 'REFINED']
    # A bag that starts again, and a stream that was reset.
    assert sources(poses, given, 5.0, [3, 4]) == ['REFINED', 'OF_MAP_IMAGE']
    poses.reset()
    assert sources(poses, given, 5.0, [4]) == ['REFINED']


def test_a_single_image_is_measured_and_does_not_count():
    poses, given = PoseMeasurement(True), scene(MOUNTS['ahead'])
    config = replace(CONFIG, pose_rate=1.0)
    assert sources(poses, given, 1.0, [10]) == ['REFINED']
    ranking = RankedHypotheses([given.hypothesis], None)
    frame = replace(given.frame, stamp_ns=SECOND + 1)
    single = poses.measure_if_due(ranking, frame, given.views, config, sequence=False)
    assert single.hypotheses[0].pose_source == PoseSource.REFINED
    assert sources(poses, given, 1.0, [19, 20]) == ['OF_MAP_IMAGE', 'REFINED']


def test_where_nothing_is_verified_the_next_image_is_due():
    poses, given = PoseMeasurement(True), scene(MOUNTS['ahead'])
    wrong = replace(given, hypothesis=replace(given.hypothesis, verification=Verification.LOCAL))
    assert sources(poses, wrong, 1.0, [10]) == ['OF_MAP_IMAGE']
    assert sources(poses, given, 1.0, [11, 12]) == ['REFINED', 'OF_MAP_IMAGE']


def test_untrained_features_measure_nothing():
    assert sources(PoseMeasurement(False), scene(MOUNTS['ahead']), 0.0, [1]) == ['OF_MAP_IMAGE']
