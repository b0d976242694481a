"""The refined pose of a robot in front of textured walls, with different camera mounts."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from helpers.geometry.wall_scene import CONFIG, ask, scene
from helpers.geometry.walls import MOUNTS, ReferenceImages, assert_refined

from fol_vpr.datatypes import (
    Pose,
    PoseSource,
)
from fol_vpr.geometry.metric import alignment, map_tracks
from fol_vpr.geometry.rigid import (
    inverse,
    quaternion,
    rotation_from_vector,
)


@pytest.mark.parametrize('mount', MOUNTS)
def test_the_pose_of_the_base_is_right_for_any_mount(mount):
    given = scene(MOUNTS[mount])
    found = ask(given)
    assert_refined(found, given.base, metres=0.03, degrees=0.3)


def test_the_relative_pose_is_that_of_the_reference_in_the_query():
    given = scene(MOUNTS['ahead'])
    relative = ask(given).relative
    truth = inverse(
        Pose(np.array([0.4, 0, 0.5]), quaternion(rotation_from_vector(np.array([0, 0.06, 0]))))
    )
    assert relative.metric
    np.testing.assert_allclose(relative.translation, truth.position, atol=0.03)
    np.testing.assert_allclose(relative.orientation, truth.orientation, atol=0.003)


def test_without_a_second_image_the_translation_is_a_direction():
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


def test_a_second_image_from_the_same_position_gives_no_metric_pose():
    found = ask(scene(MOUNTS['ahead'], second=(0.01, 0.0, 0.0)))
    assert found.pose_source == PoseSource.OF_MAP_IMAGE


def test_a_query_at_the_position_of_the_reference_has_no_direction():
    found = ask(scene(MOUNTS['ahead'], aside=(0, 0, 0)), replace(CONFIG, second_views=0))
    assert found.relative is None


def test_without_cameras_or_images_the_hypothesis_is_unchanged():
    given = scene(MOUNTS['ahead'])
    blind = replace(given.frame, camera=None)
    assert ask(replace(given, frame=blind)) is given.hypothesis
    given.views.image = lambda number: None
    assert ask(given) is given.hypothesis


def forget() -> None:
    alignment._prepared.clear()
    map_tracks._known.clear()


def test_a_warm_cache_gives_the_same_as_a_cold_one():
    given = scene(MOUNTS['ahead'])
    forget()
    cold = ask(given)
    images, tracks = alignment._prepared.bytes, map_tracks._known.bytes
    assert images > 2 * 640 * 480 and tracks > 0
    warm = ask(given)
    assert (alignment._prepared.bytes, map_tracks._known.bytes) == (images, tracks)
    for one, other in ((cold.pose, warm.pose), (cold.relative, warm.relative)):
        np.testing.assert_array_equal(one.orientation, other.orientation)
        np.testing.assert_array_equal(one.covariance, other.covariance)
    np.testing.assert_array_equal(cold.pose.position, warm.pose.position)


def test_a_query_asks_for_what_the_last_one_did_not():
    """Tracks of the map are kept by position: another query adds those of its own."""
    forget()
    ask(scene(MOUNTS['ahead']))
    known = map_tracks._known.bytes
    other = scene(MOUNTS['ahead'], aside=(-0.4, 0.1, 0.3), turn=(0.0, -0.08, 0.0))
    assert_refined(ask(other), other.base, metres=0.03, degrees=0.3)
    assert map_tracks._known.bytes > known and len(map_tracks._known) == 1


@pytest.mark.parametrize('moved', [(0.0, 0.5, 0.3), (1.6, 0.0, 0.0)])
def test_nothing_of_another_map_is_taken_for_this_one(moved):
    """Indexes, times and names of the places are the same; image or pose of the second are not."""
    forget()
    ask(scene(MOUNTS['ahead']))
    other = scene(MOUNTS['ahead'], second=moved)
    assert_refined(ask(other), other.base, metres=0.03, degrees=0.3)
    # The image of one camera at the pose of the other: whatever is measured, it is not that.
    mixed = scene(MOUNTS['ahead'])
    mixed.views = ReferenceImages(mixed.views.places, other.views.jpegs)
    found = ask(mixed)
    forget()
    assert found.pose_source == ask(mixed).pose_source
    blank = scene(MOUNTS['ahead'])
    grey = cv2.imencode('.jpg', np.full((480, 640), 128, np.uint8))[1].tobytes()
    blank.views = ReferenceImages(blank.views.places, [blank.views.jpegs[0], grey])
    assert ask(blank).pose_source == PoseSource.OF_MAP_IMAGE
