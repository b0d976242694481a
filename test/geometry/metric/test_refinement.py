"""The refined pose of a robot before textured walls, with cameras mounted in every way."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
from helpers.scenes3d import MATRIX, SIZE, normalised_square
from helpers.walls import MOUNTS, ReferenceImages, drawn

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import (
    Camera,
    Frame,
    Place,
    PlaceHypothesis,
    Pose,
    PoseSource,
    RelativePose,
    Verification,
)
from fol_vpr.geometry.metric.refinement import refine_pose
from fol_vpr.geometry.rigid import (
    compose,
    inverse,
    quaternion,
    rotation_from_vector,
    rotation_matrix,
)
from fol_vpr.geometry.rigid import rotation_vector as vector_of

CONFIG = VerificationConfig()


def seen_at(xy: np.ndarray, first: Pose, other: Pose) -> np.ndarray:
    """[K, 2] where positions of one camera are about in another, as if 8 m away."""
    directions = np.concatenate([xy, np.ones((len(xy), 1))], axis=1) @ np.linalg.inv(MATRIX).T
    moved = compose(inverse(other), first)
    points = (8 * directions) @ rotation_matrix(moved.orientation).T + moved.position
    return (points @ MATRIX.T)[:, :2] / points[:, 2:]


@dataclass
class Scene:
    """A map of views at the origin and beside it, and a query from elsewhere."""

    views: ReferenceImages
    hypothesis: PlaceHypothesis
    frame: Frame
    base: Pose


def scene(mount: Pose, *, aside=(0.4, 0.0, 0.5), turn=(0.0, 0.06, 0.0), second=(0.8, 0.0, 0.0)):
    """Everything in a map frame in which the first base stands turned, somewhere."""
    camera = Camera(SIZE, MATRIX, mount=mount)
    first_base = Pose(
        np.array([30.0, -7, 2]), quaternion(rotation_from_vector(np.array([0.1, 0, 2.0])))
    )
    first_camera = compose(first_base, mount)
    level = np.array([0.0, 0, 0, 1])
    in_scene = [Pose(np.zeros(3), level), Pose(np.array(second, float), level)]
    query_in_scene = Pose(np.array(aside), quaternion(rotation_from_vector(np.array(turn))))

    def base_of(camera_in_scene: Pose) -> Pose:
        return compose(compose(first_camera, camera_in_scene), inverse(mount))

    places = [
        Place(i, f'p{i}', 's', i, '', SIZE, pose=base_of(pose), camera=camera)
        for i, pose in enumerate(in_scene)
    ]
    jpegs = [cv2.imencode('.jpg', drawn(pose))[1].tobytes() for pose in in_scene]
    x, y = np.meshgrid(np.arange(20, 640, 18.0), np.arange(20, 480, 18.0))
    reference_xy = np.stack([x.ravel(), y.ravel()], axis=1)
    query_xy = seen_at(reference_xy, in_scene[0], query_in_scene)
    hypothesis = PlaceHypothesis(
        places[0],
        0,
        0.9,
        verification=Verification.GEOMETRY,
        query_xy=query_xy,
        reference_xy=reference_xy,
        pose_source=PoseSource.OF_MAP_IMAGE,
        pose=places[0].pose,
    )
    frame = Frame(drawn(query_in_scene), camera=camera)
    return Scene(ReferenceImages(places, jpegs), hypothesis, frame, base_of(query_in_scene))


def ask(given: Scene, config: VerificationConfig = CONFIG) -> PlaceHypothesis:
    return refine_pose(given.hypothesis, given.frame, given.views, given.views.places, config)


@pytest.mark.parametrize('mount', MOUNTS)
def test_the_pose_of_the_base_comes_out_through_any_mount(mount):
    given = scene(MOUNTS[mount])
    found = ask(given)
    assert found.pose_source == PoseSource.REFINED
    np.testing.assert_allclose(found.pose.position, given.base.position, atol=0.03)
    turn = rotation_matrix(found.pose.orientation) @ rotation_matrix(given.base.orientation).T
    assert np.linalg.norm(vector_of(turn)) < np.radians(0.3)
    away = np.concatenate([found.pose.position - given.base.position, vector_of(turn)])
    stated = RelativePose(found.pose.position, found.pose.orientation, found.pose.covariance, True)
    # The 99.9 % quantile of chi² with six degrees of freedom.
    assert normalised_square(stated, away) < 22.5


def test_the_relative_pose_is_that_of_the_reference_in_the_query():
    given = scene(MOUNTS['ahead'])
    relative = ask(given).relative
    truth = inverse(
        Pose(np.array([0.4, 0, 0.5]), quaternion(rotation_from_vector(np.array([0, 0.06, 0]))))
    )
    assert relative.metric
    np.testing.assert_allclose(relative.translation, truth.position, atol=0.03)
    np.testing.assert_allclose(relative.orientation, truth.orientation, atol=0.003)


def test_without_a_second_view_there_is_a_direction_and_no_length():
    given = scene(MOUNTS['ahead'])
    found = ask(given, replace(CONFIG, second_views=0))
    assert found.pose_source == PoseSource.OF_MAP_IMAGE
    assert found.pose is given.hypothesis.pose
    assert not found.relative.metric
    expected = inverse(
        Pose(np.array([0.4, 0, 0.5]), quaternion(rotation_from_vector(np.array([0, 0.06, 0]))))
    ).position
    angle = np.arccos(found.relative.translation @ expected / np.linalg.norm(expected))
    assert np.degrees(angle) < 3


def test_a_second_view_from_the_same_spot_measures_no_length():
    found = ask(scene(MOUNTS['ahead'], second=(0.01, 0.0, 0.0)))
    assert found.pose_source == PoseSource.OF_MAP_IMAGE


def test_a_query_from_the_spot_of_the_reference_claims_no_direction():
    found = ask(scene(MOUNTS['ahead'], aside=(0, 0, 0)), replace(CONFIG, second_views=0))
    assert found.relative is None


def test_without_cameras_or_images_the_hypothesis_stays_as_it_is():
    given = scene(MOUNTS['ahead'])
    blind = replace(given.frame, camera=None)
    assert ask(replace(given, frame=blind)) is given.hypothesis
    given.views.image = lambda number: None
    assert ask(given) is given.hypothesis
