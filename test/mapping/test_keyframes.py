"""Which frames become references."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.scenes import select_keyframes

from fol_vpr.config import MappingConfig
from fol_vpr.datatypes import Frame, GeoPosition, Pose
from fol_vpr.mapping.keyframes import KeyframeSelector, turn_between

IMAGE = np.zeros((1, 1, 3), np.uint8)
AHEAD = np.array([0.0, 0.0, 0.0, 1.0])


def about_z(degrees: float) -> np.ndarray:
    half = math.radians(degrees) / 2
    return np.array([0, 0, math.sin(half), math.cos(half)])


def frame(seconds: float, pose: Pose | None = None, geo: GeoPosition | None = None) -> Frame:
    return Frame(IMAGE, stamp_ns=round(seconds * 1e9), pose=pose, geo=geo)


def at(x: float, degrees: float = 0) -> Pose:
    return Pose(np.array([x, 0, 0]), about_z(degrees))


def chosen(frames: list[Frame], **settings: float) -> list[int]:
    selector = KeyframeSelector(MappingConfig(**settings))
    return [position for position, _ in select_keyframes(enumerate(frames), selector)]


def test_by_distance_from_the_last_keyframe() -> None:
    drive = [frame(t, at(x)) for t, x in enumerate([0, 0.4, 0.9, 1.0, 1.5, 2.1, 2.1, 0.9])]
    assert chosen(drive, keyframe_distance=1.0) == [0, 3, 5, 7]


def test_by_turn_on_the_spot_in_either_direction() -> None:
    drive = [frame(0, at(0, angle)) for angle in (0, 10, 16, 20, 32, 16, -170, 174)]
    assert chosen(drive, keyframe_angle=15.5) == [0, 2, 4, 5, 6, 7]


def test_by_time_where_there_is_no_pose() -> None:
    drive = [frame(t) for t in (0, 0.5, 0.99, 1, 1.5, 2.5, 2.4, 0)]
    assert chosen(drive, keyframe_interval=1.0) == [0, 3, 5, 7]


def test_by_time_next_to_a_frame_without_pose() -> None:
    drive = [frame(0, at(0)), frame(0.5), frame(1), frame(1.5, at(9)), frame(2, at(9))]
    assert chosen(drive, keyframe_interval=1.0) == [0, 2, 4]


def test_by_fixes() -> None:
    step = 0.6 / 111_195  # 0.6 m in degrees of latitude
    drive = [frame(0, geo=GeoPosition(48 + k * step, 11)) for k in range(5)]
    assert chosen(drive, keyframe_distance=1.0) == [0, 2, 4]


def test_zero_distance_keeps_every_frame() -> None:
    assert chosen([frame(0, at(0))] * 3, keyframe_distance=0) == [0, 1, 2]


def test_a_degree_of_the_meridian_and_of_the_parallel() -> None:
    # 2 pi R / 360, and the same times cos 60°.
    degree = 111_195.08
    assert GeoPosition(10, 5).distance(GeoPosition(11, 5)) == pytest.approx(degree, rel=1e-6)
    across = GeoPosition(60, 179.9995).distance(GeoPosition(60, -179.9995))
    assert across == pytest.approx(degree / 2000, rel=1e-6)


def test_turn_of_opposite_signs_is_none() -> None:
    assert turn_between(AHEAD, -AHEAD) == 0
    assert turn_between(AHEAD, about_z(180)) == pytest.approx(180)
