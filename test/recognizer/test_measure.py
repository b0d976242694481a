"""The refined pose of a robot before textured walls, with cameras mounted in every way."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
from scenes3d import MATRIX, SIZE, normalised_square

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
from fol_vpr.recognizer.measure import measured
from fol_vpr.rigid import compose, inverse, quaternion, rotation_about, rotation_matrix
from fol_vpr.rigid import rotation_vector as vector_of

CONFIG = VerificationConfig()
# x forward, y left, z up of a base, in an optical frame: x right, y down, z forward.
OPTICAL = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
MOUNTS = {
    'ahead': Pose(np.array([0.2, 0.0, 1.3]), quaternion(OPTICAL)),
    'tilted': Pose(
        np.array([0.4, -0.1, 1.0]), quaternion(rotation_about(np.array([0, 0.35, 0])) @ OPTICAL)
    ),
    'backwards': Pose(
        np.array([-0.3, 0.1, 0.8]), quaternion(rotation_about(np.array([0, 0, np.pi])) @ OPTICAL)
    ),
}
# Corners of walls in the frame of the first camera, metres: two sides, a floor, and the end.
WALLS = (
    ((-12, -6, 14), (12, -6, 14), (12, 4, 14)),
    ((-3, -6, 4), (-3, -6, 14), (-3, 2, 14)),
    ((3.5, -6, 14), (3.5, -6, 4), (3.5, 2, 4)),
    ((-12, 2, 14), (12, 2, 14), (12, 2, 3.5)),
)


def picture(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.uniform(0, 255, (48, 48)).astype(np.float32), (768, 768))
    fine = cv2.GaussianBlur(rng.uniform(0, 255, (768, 768)).astype(np.float32), (0, 0), 2)
    grey = cv2.normalize(0.5 * coarse + 6 * fine, None, 20, 230, cv2.NORM_MINMAX)
    return grey.astype(np.uint8)


def drawn(camera_in_scene: Pose) -> np.ndarray:
    """[480, 640, 3] what the pinhole sees of the walls from there."""
    image = np.full((SIZE[1], SIZE[0]), 128, np.uint8)
    turn = rotation_matrix(camera_in_scene.orientation).T
    for seed, (origin, right, below) in enumerate(WALLS):
        o, r, b = (
            turn @ (np.array(p, float) - camera_in_scene.position) for p in (origin, right, below)
        )
        # A plane's point is o + u (r - o) + v (b - r), with u and v from 0 to 1.
        plane = np.stack([(r - o) / 768, (b - r) / 768, o], axis=1)
        homography = MATRIX @ plane
        drawn_wall = cv2.warpPerspective(picture(seed), homography, SIZE)
        covers = cv2.warpPerspective(np.full((768, 768), 255, np.uint8), homography, SIZE)
        x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
        texels = np.stack([x, y, np.ones_like(x)], axis=2) @ np.linalg.inv(homography).T
        covers[texels[:, :, 2] <= 0] = 0
        image[covers == 255] = drawn_wall[covers == 255]
    return np.repeat(image[:, :, None], 3, axis=2)


def seen_at(xy: np.ndarray, first: Pose, other: Pose) -> np.ndarray:
    """[K, 2] where positions of one camera are about in another, as if 8 m away."""
    directions = np.concatenate([xy, np.ones((len(xy), 1))], axis=1) @ np.linalg.inv(MATRIX).T
    moved = compose(inverse(other), first)
    points = (8 * directions) @ rotation_matrix(moved.orientation).T + moved.position
    return (points @ MATRIX.T)[:, :2] / points[:, 2:]


@dataclass
class Views:
    """The images of a map, drawn from poses in the scene."""

    places: list[Place]
    jpegs: list[bytes]

    def image(self, number: int) -> bytes | None:
        return self.jpegs[number]

    def around(self, number: int, reach: int) -> list[Place]:
        return [place for place in self.places if 0 < abs(place.index - number) <= reach]


@dataclass
class Scene:
    """A map of views at the origin and beside it, and a query from elsewhere."""

    views: Views
    hypothesis: PlaceHypothesis
    frame: Frame
    base: Pose


def scene(mount: Pose, *, aside=(0.4, 0.0, 0.5), turn=(0.0, 0.06, 0.0), second=(0.8, 0.0, 0.0)):
    """Everything in a map frame in which the first base stands turned, somewhere."""
    camera = Camera(SIZE, MATRIX, mount=mount)
    first_base = Pose(np.array([30.0, -7, 2]), quaternion(rotation_about(np.array([0.1, 0, 2.0]))))
    first_camera = compose(first_base, mount)
    level = np.array([0.0, 0, 0, 1])
    in_scene = [Pose(np.zeros(3), level), Pose(np.array(second, float), level)]
    query_in_scene = Pose(np.array(aside), quaternion(rotation_about(np.array(turn))))

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
    return Scene(Views(places, jpegs), hypothesis, frame, base_of(query_in_scene))


def ask(given: Scene, config: VerificationConfig = CONFIG) -> PlaceHypothesis:
    return measured(given.hypothesis, given.frame, given.views, given.views.places, config)


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
        Pose(np.array([0.4, 0, 0.5]), quaternion(rotation_about(np.array([0, 0.06, 0]))))
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
        Pose(np.array([0.4, 0, 0.5]), quaternion(rotation_about(np.array([0, 0.06, 0]))))
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
