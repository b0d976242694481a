"""One rule for names of frames: ROS 1 wrote them with a leading slash."""

from __future__ import annotations

import numpy as np
import pytest

from fol_vpr.config import BagWriterConfig, CameraConfig, LoopsConfig, MappingConfig, NodeConfig
from fol_vpr.database.format.schema import MapHeader
from fol_vpr.datatypes import Frame, bare_frame


@pytest.mark.parametrize(
    ('given', 'name'),
    [('/map', 'map'), ('map', 'map'), ('', ''), ('//map', 'map'), ('/robot/odom', 'robot/odom')],
)
def test_a_leading_slash_is_no_part_of_the_name(given: str, name: str) -> None:
    assert bare_frame(given) == name
    assert Frame(np.zeros((2, 2, 3), np.uint8), frame_id=given).frame_id == name
    assert MapHeader('', '', '', '', 'fine', 1, 1, frame_id=given).frame_id == name


def test_settings_name_frames_by_the_same_rule() -> None:
    node = NodeConfig(map_frame='/map', base_frame='/base')
    assert (node.map_frame, node.base_frame) == ('map', 'base')
    written = BagWriterConfig(frame_id='/c', map_frame='/m', base_frame='/b')
    assert (written.frame_id, written.map_frame, written.base_frame) == ('c', 'm', 'b')
    assert CameraConfig(base_frame='/base').base_frame == 'base'
    assert MappingConfig(frame_id='/map').frame_id == 'map'
    assert LoopsConfig(frame='/odom').frame == 'odom'


def test_control_characters_in_names_of_frames_are_escaped():
    assert bare_frame('/cam\x1b[2J\nera\u202e') == r'cam\x1b[2J\nera\u202e'
