"""Refined poses where query and map images come from different cameras and mounts."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from helpers.geometry.walls import MOUNTS, ReferenceImages, assert_refined, drawn_grey, picture

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import (
    UNKNOWN_ANGLE_VARIANCE,
    Camera,
    Frame,
    Place,
    PlaceHypothesis,
    Pose,
    PoseSource,
    Verification,
)
from fol_vpr.geometry import alignment_image, track_points
from fol_vpr.geometry.metric.refinement import refine_pose
from fol_vpr.geometry.rigid import (
    compose,
    inverse,
    quaternion,
    rotation_from_vector,
    rotation_matrix,
)

CONFIG = VerificationConfig()
LEVEL = np.array([0.0, 0, 0, 1])


def pinhole(focal: float, size: tuple[int, int]) -> np.ndarray:
    return np.array([[focal, 0, size[0] / 2 - 3], [0, 1.02 * focal, size[1] / 2], [0, 0, 1.0]])


FIRST = Camera((640, 480), pinhole(400, (640, 480)), mount=MOUNTS['ahead'])
SECOND = Camera(
    (720, 560),
    pinhole(430, (720, 560)),
    'plumb_bob',
    np.array([-0.12, 0.02, 0.001, -0.001, 0.0]),
    MOUNTS['tilted'],
)
# Calibrated at twice the size of its images.
QUERY = Camera((1120, 880), pinhole(700, (1120, 880)), mount=MOUNTS['backwards'])
QUERY_SIZE = (560, 440)


def scaled(camera: Camera, size: tuple[int, int]) -> np.ndarray:
    """The camera matrix for images of another size; pixel centres are at whole numbers."""
    factor = size[0] / camera.size[0]
    matrix = factor * camera.matrix
    matrix[:2, 2] += (factor - 1) / 2
    matrix[2, 2] = 1
    return matrix


def drawn(camera_in_scene: Pose, camera: Camera, size: tuple[int, int]) -> np.ndarray:
    """[H, W, 3] image of the walls from a camera with lens distortion."""
    wide = (2 * size[0], 2 * size[1])
    matrix = scaled(camera, size)
    matrix[:2, 2] += np.array(size) / 2
    image = drawn_grey(camera_in_scene, matrix, wide)
    x, y = np.meshgrid(np.arange(size[0], dtype=np.float64), np.arange(size[1]))
    xy = np.stack([x.ravel(), y.ravel()], axis=1)[:, None]
    straight = cv2.undistortPoints(xy, scaled(camera, size), camera.distortion).reshape(-1, 2)
    source = (np.c_[straight, np.ones(len(straight))] @ matrix.T)[:, :2].astype(np.float32)
    maps = source.reshape(size[1], size[0], 2)
    seen = cv2.remap(image, maps[:, :, 0], maps[:, :, 1], cv2.INTER_LINEAR)
    return np.repeat(seen[:, :, None], 3, axis=2)


@pytest.fixture(scope='module')
def asked():
    """The hypothesis, the query, the images of the map, and the true pose of the query's base."""
    in_scene = [
        Pose(np.zeros(3), LEVEL),
        Pose(
            np.array([0.9, 0.1, 0.3]),
            quaternion(rotation_from_vector(np.array([0.03, -0.12, 0.02]))),
        ),
        Pose(
            np.array([0.4, 0.0, 0.5]),
            quaternion(rotation_from_vector(np.array([0.0, 0.06, 0.01]))),
        ),
    ]
    first_base = Pose(
        np.array([30.0, -7, 2]), quaternion(rotation_from_vector(np.array([0.1, 0, 2.0])))
    )
    scene_in_map = compose(first_base, FIRST.mount)
    bases = [
        compose(compose(scene_in_map, pose), inverse(camera.mount))
        for pose, camera in zip(in_scene, (FIRST, SECOND, QUERY), strict=True)
    ]
    cameras = (FIRST, SECOND)
    places = [
        Place(i, f'p{i}', 's', i, '', camera.size, pose=bases[i], camera=camera)
        for i, camera in enumerate(cameras)
    ]
    images = [drawn(in_scene[i], camera, camera.size) for i, camera in enumerate(cameras)]
    views = ReferenceImages(places, [cv2.imencode('.jpg', image)[1].tobytes() for image in images])
    x, y = np.meshgrid(np.arange(20, 640, 18.0), np.arange(20, 480, 18.0))
    xy = np.stack([x.ravel(), y.ravel()], axis=1)
    directions = np.c_[xy, np.ones(len(xy))] @ np.linalg.inv(FIRST.matrix).T
    to_query = inverse(in_scene[2])
    points = 8 * directions @ rotation_matrix(to_query.orientation).T + to_query.position
    seen = points @ scaled(QUERY, QUERY_SIZE).T
    hypothesis = PlaceHypothesis(
        places[0],
        0,
        0.9,
        verification=Verification.GEOMETRY,
        query_xy=seen[:, :2] / seen[:, 2:],
        reference_xy=xy,
        pose_source=PoseSource.OF_MAP_IMAGE,
        pose=bases[0],
    )
    frame = Frame(drawn(in_scene[2], QUERY, QUERY_SIZE), camera=QUERY)
    return hypothesis, frame, views, bases[2]


def test_each_image_goes_through_its_own_camera_and_mount(asked):
    hypothesis, frame, views, base = asked
    found = refine_pose(hypothesis, frame, views, views.places, CONFIG)
    assert_refined(found, base, metres=0.05, degrees=0.4)


def test_a_query_without_a_mount_gets_a_relative_pose_only(asked):
    hypothesis, frame, views, _ = asked
    bare = replace(frame, camera=replace(QUERY, mount=None))
    found = refine_pose(hypothesis, bare, views, views.places, CONFIG)
    assert found.relative.metric
    assert found.pose_source == PoseSource.OF_MAP_IMAGE
    assert found.pose is hypothesis.pose


@pytest.mark.parametrize('lacking', ['mount', 'pose', 'orientation'])
def test_a_second_image_without_camera_pose_gives_no_metric_pose(asked, lacking):
    hypothesis, frame, views, _ = asked
    first, second = views.places
    covariance = np.diag([0.0, 0, 0, *[UNKNOWN_ANGLE_VARIANCE] * 3])
    changed = {
        'mount': {'camera': replace(SECOND, mount=None)},
        'pose': {'pose': None},
        'orientation': {'pose': replace(second.pose, covariance=covariance)},
    }[lacking]
    lost = ReferenceImages([first, replace(second, **changed)], views.jpegs)
    found = refine_pose(hypothesis, frame, lost, lost.places, CONFIG)
    assert found.pose_source == PoseSource.OF_MAP_IMAGE
    assert found.relative is not None and not found.relative.metric


def test_an_uncertain_pose_of_the_map_makes_an_uncertain_pose(asked):
    """That of the first image shifts the result, and changes the baseline as well."""
    hypothesis, frame, views, _ = asked
    exact = refine_pose(hypothesis, frame, views, views.places, CONFIG).pose.covariance
    spread = np.diag([0.05, 0.02, 0.01, 0.0005, 0.0005, 0.005]) ** 2
    first = replace(views.places[0], pose=replace(views.places[0].pose, covariance=spread))
    unsure = ReferenceImages([first, views.places[1]], views.jpegs)
    found = refine_pose(replace(hypothesis, place=first), frame, unsure, unsure.places, CONFIG)
    assert found.pose_source == PoseSource.REFINED
    # In every direction at least the uncertainty of the first pose, moved to the query's base.
    there = Pose(found.pose.position, found.pose.orientation)
    apart = compose(inverse(hypothesis.place.pose), there)
    least = compose(first.pose, apart).covariance + exact
    assert np.linalg.eigvalsh(found.pose.covariance - least)[0] > -1e-6
    assert found.pose.covariance[0, 0] > 0.05**2


def test_images_of_other_shapes_are_aligned():
    wide = picture(1)[:360, :640]
    high = np.vstack([wide, picture(2)[:120, :640]])
    x, y = np.meshgrid(np.arange(60, 580, 40.0), np.arange(60, 300, 40.0))
    xy = np.stack([x.ravel(), y.ravel()], axis=1)
    for one, other in ((wide, high), (high, wide)):
        moved, found = track_points(alignment_image(one), alignment_image(other), xy, [xy])
        assert found.mean() > 0.9
        np.testing.assert_allclose(np.median(moved[found] - xy[found], axis=0), [0, 0], atol=0.05)
