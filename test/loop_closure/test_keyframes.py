"""Keyframes of a running drive, whose settings may change meanwhile."""

from dataclasses import replace

import numpy as np
from helpers.small_maps import features

from fol_vpr.config import LoopsConfig
from fol_vpr.datatypes import Frame, Pose
from fol_vpr.loop_closure.distance import DistanceTracker
from fol_vpr.loop_closure.keyframes import SessionKeyframes

IMAGE = np.zeros((4, 4, 3), np.uint8)


def frame(metres: float) -> Frame:
    pose = Pose(np.array([metres, 0.0, 0.0]), np.array([0.0, 0.0, 0.0, 1.0]))
    return Frame(IMAGE, stamp_ns=round(metres * 1e9), odometry=pose)


def test_a_distance_that_is_set_while_it_runs_counts_from_the_next_image():
    config = LoopsConfig(keyframe_distance=1.0)
    keyframes = SessionKeyframes(config, DistanceTracker(1.0))
    keyframes.store(frame(0), features(0))
    assert not keyframes.is_due(frame(0.2), features(1))
    keyframes.set_config(replace(config, keyframe_distance=0.1))
    assert keyframes.is_due(frame(0.2), features(1))
    assert len(keyframes) == 1
