"""A map of two images of textured walls, and a query whose true pose is known."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from helpers.geometry.points import MATRIX, SIZE
from helpers.geometry.walls import ReferenceImages, drawn

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import (
    Camera,
    Frame,
    Place,
    PlaceHypothesis,
    Pose,
    PoseSource,
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

CONFIG = VerificationConfig()


def seen_at(xy: np.ndarray, first: Pose, other: Pose) -> np.ndarray:
    """[K, 2] positions in another camera of points 8 m in front of the first one."""
    directions = np.concatenate([xy, np.ones((len(xy), 1))], axis=1) @ np.linalg.inv(MATRIX).T
    moved = compose(inverse(other), first)
    points = (8 * directions) @ rotation_matrix(moved.orientation).T + moved.position
    return (points @ MATRIX.T)[:, :2] / points[:, 2:]


@dataclass
class Scene:
    """A map of two images, a query, and the true pose of the query's base."""

    views: ReferenceImages
    hypothesis: PlaceHypothesis
    frame: Frame
    base: Pose


def scene(mount: Pose, *, aside=(0.4, 0.0, 0.5), turn=(0.0, 0.06, 0.0), second=(0.8, 0.0, 0.0)):
    """A scene whose map frame is rotated and shifted against the frame of the walls."""
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
    """What `refine_pose` makes of the scene's hypothesis."""
    return refine_pose(given.hypothesis, given.frame, given.views, given.views.places, config)
