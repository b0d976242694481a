"""A transform within the drive: measured by two keyframes whose baseline the odometry knows."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.geometry.points import MATRIX, SIZE, normalised_square
from helpers.geometry.walls import MOUNTS, drawn
from helpers.scenes import view
from helpers.small_maps import GLOBAL_DIM, LOCAL_DIM, features

from fol_vpr.config import LoopsConfig, NetworkConfig, RecognizerConfig, VerificationConfig
from fol_vpr.database import MapHeader
from fol_vpr.datatypes import Camera, Frame, Pose
from fol_vpr.geometry.rigid import (
    compose,
    inverse,
    quaternion,
    rotation_from_vector,
    rotation_matrix,
)
from fol_vpr.geometry.rigid import rotation_vector as vector_of
from fol_vpr.loop_closure import DistanceTracker, SessionRecorder
from fol_vpr.loop_closure.revisits import BaselineView
from fol_vpr.recognizer import PlaceRecognizer

SECOND = 1_000_000_000
MOUNT = MOUNTS['ahead']
CAMERA = Camera(SIZE, MATRIX, mount=MOUNT)
LEVEL = np.array([0.0, 0, 0, 1])
CONFIG = RecognizerConfig(
    network=NetworkConfig(threads=1),
    verification=VerificationConfig(min_inliers=20, min_regions=10),
    loops=LoopsConfig(
        enabled=True,
        exclude_distance=20.0,
        keyframe_distance=0.5,
        consecutive=1,
        min_information_gain_bits=0.0,
    ),
)


def odometry_of(camera_in_scene: Pose) -> Pose:
    """The scene is where the drive began: the first camera looks along its z."""
    return compose(compose(MOUNT, camera_in_scene), inverse(MOUNT))


def drive(back: list[Pose]) -> list[Frame]:
    """Two views of one scene, sixty metres elsewhere, and the scene from other sides."""
    seen = []
    for x in (0.0, 0.8):
        camera = Pose(np.array([x, 0.0, 0.0]), LEVEL)
        seen.append((drawn(camera), odometry_of(camera)))
    for number in range(6):
        away = Pose(np.array([10.0 * (number + 1), 0.0, 0.0]), LEVEL)
        seen.append((view(number), away))
    seen += [(drawn(camera), odometry_of(camera)) for camera in back]
    return [
        Frame(image, (i + 1) * SECOND, 'camera', camera=_fitting(image), odometry=pose)
        for i, (image, pose) in enumerate(seen)
    ]


def _fitting(image: np.ndarray) -> Camera | None:
    return CAMERA if image.shape[:2] == SIZE[::-1] else None


def test_a_closure_within_the_drive_has_a_transform_in_metres():
    turned = quaternion(rotation_from_vector(np.array([0, 0.06, 0])))
    back = Pose(np.array([0.4, 0.0, 0.5]), turned)
    recognizer = PlaceRecognizer(CONFIG)
    try:
        answers = [recognizer.recognize(frame) for frame in drive([back])]
    finally:
        recognizer.close()
    assert not any(answer.loop_closures for answer in answers[:-1])
    (closure,) = answers[-1].loop_closures
    there = Pose(np.array([0.8 * (closure.stamp_to_ns // SECOND - 1), 0.0, 0.0]), LEVEL)
    truth = compose(inverse(back), there)
    assert closure.relative.metric
    np.testing.assert_allclose(closure.relative.translation, truth.position, atol=0.05)
    turn = rotation_matrix(closure.relative.orientation) @ rotation_matrix(truth.orientation).T
    assert np.degrees(np.linalg.norm(vector_of(turn))) < 0.5
    away = np.concatenate([closure.relative.translation - truth.position, vector_of(turn)])
    assert normalised_square(closure.relative, away) < 22.5, 'chi² of six, 99.9 %'


@pytest.mark.parametrize('missing', ['images', 'camera', 'setting'])
def test_nothing_is_claimed_where_nothing_was_measured(missing):
    config = CONFIG
    frames = drive([Pose(np.array([0.4, 0.0, 0.5]), LEVEL)])
    if missing == 'images':
        config = replace(CONFIG, loops=replace(CONFIG.loops, store_images=False))
    elif missing == 'camera':
        frames = [replace(frame, camera=None) for frame in frames]
    else:
        config = replace(CONFIG, verification=replace(CONFIG.verification, refine_pose=False))
    recognizer = PlaceRecognizer(config)
    try:
        closures = [c for frame in frames for c in recognizer.recognize(frame).loop_closures]
    finally:
        recognizer.close()
    assert [closure.relative for closure in closures] == [None]


def test_of_the_odometry_only_the_way_between_two_keyframes_counts():
    header = MapHeader('', 'm', 'p', 'w', CONFIG.loops.codec, GLOBAL_DIM, LOCAL_DIM, 'odom')
    tracker = DistanceTracker(1.0)
    config = LoopsConfig(odometry_stddev=0.1, odometry_turn_stddev=2.0, keyframe_distance=1.0)
    session = SessionRecorder(config, header, 'drive', tracker)
    drifted = np.eye(6) * 400.0
    try:
        for i in range(4):
            odometry = Pose(np.array([3.0 * i, 0, 0]), LEVEL, drifted)
            tracker.update(i * SECOND, odometry)
            frame = Frame(np.zeros((54, 96, 3), np.uint8), i * SECOND, odometry=odometry)
            session.add_if_keyframe(frame, features(i))
        beside = BaselineView(session, 1, config)
        assert not beside.with_baseline_covariance(session.place(1)).pose.covariance.any()
        nearest = {place.index: place.pose.covariance for place in beside.neighbours(1, 2)}
        assert sorted(nearest) == [0, 2, 3]
        np.testing.assert_allclose(np.diag(nearest[3])[:3], 6 * 0.01)
        np.testing.assert_allclose(np.diag(nearest[2])[3:], 3 * np.radians(2.0) ** 2)
        # The next one was taken rounds later, wherever the odometry says that it was.
        for second, x in ((10, 300.0), (20, 600.0), (30, 7.0)):
            tracker.update(second * SECOND, Pose(np.array([x, 0, 0]), LEVEL))
        odometry = Pose(np.array([7.0, 0, 0]), LEVEL)
        session.add_if_keyframe(
            Frame(np.zeros((54, 96, 3), np.uint8), 30 * SECOND, odometry=odometry), features(9)
        )
        assert not beside.is_within_baseline(session.place(4)) and beside.is_within_baseline(
            session.place(3)
        )
        assert [place.index for place in session.neighbours(3, 1)] == [2, 4]
        assert [place.index for place in BaselineView(session, 3, config).neighbours(3, 1)] == [2]
    finally:
        session.close()
