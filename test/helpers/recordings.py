"""Bags like those that `fol_vpr bag record` writes, made without ROS."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from fol_vpr.datatypes import Recognition

ROOT = Path(__file__).resolve().parents[2]
DEFINITIONS = {
    'geographic_msgs/msg/GeoPoint': 'underlay/geographic_msgs/msg/GeoPoint.msg',
    'fol_vpr_msgs/msg/PlaceHypothesis': 'fol_vpr_msgs/msg/PlaceHypothesis.msg',
    'fol_vpr_msgs/msg/PlaceHypothesisArray': 'fol_vpr_msgs/msg/PlaceHypothesisArray.msg',
}


def message_types() -> Typestore:
    """Jazzy's types and ours, from the text of their definitions."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, path in DEFINITIONS.items():
        store.register(get_types_from_msg((ROOT / path).read_text(), name))
    return store


def write_recording(
    path: Path,
    map_id: str,
    recognitions: Iterable[Recognition],
    *,
    topic: str = '/localizer/places',
    storage: StoragePlugin = StoragePlugin.SQLITE3,
) -> None:
    """Write answers as the node publishes them."""
    store = message_types()
    array = 'fol_vpr_msgs/msg/PlaceHypothesisArray'
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connection = writer.add_connection(topic, array, typestore=store)
        for recognition in recognitions:
            message = _array(store.types, map_id, recognition)
            received = recognition.stamp_ns + 300_000_000
            writer.write(connection, received, store.serialize_cdr(message, array))


def _array(types: Any, map_id: str, recognition: Recognition) -> Any:
    stamp = types['builtin_interfaces/msg/Time'](*divmod(recognition.stamp_ns, 10**9))
    return types['fol_vpr_msgs/msg/PlaceHypothesisArray'](
        header=types['std_msgs/msg/Header'](stamp, 'map'),
        map_id=map_id,
        model_id='',
        sensor_frame=recognition.frame_id,
        state=int(recognition.state),
        cause=int(recognition.explanation.cause),
        reason=recognition.explanation.reason,
        remedy=recognition.explanation.remedy,
        p_not_in_map=float('nan'),
        image_quality=recognition.image_quality,
        processing_time=types['builtin_interfaces/msg/Duration'](0, 250_000_000),
        waiting_time=types['builtin_interfaces/msg/Duration'](0, 500_000_000),
        hypotheses=[_hypothesis(types, h) for h in recognition.hypotheses],
    )


def _hypothesis(types: Any, hypothesis: Any) -> Any:
    pose = types['geometry_msgs/msg/Pose'](
        types['geometry_msgs/msg/Point'](0.0, 0.0, 0.0),
        types['geometry_msgs/msg/Quaternion'](0.0, 0.0, 0.0, 1.0),
    )
    return types['fol_vpr_msgs/msg/PlaceHypothesis'](
        place_id=hypothesis.place.place_id,
        session_id=hypothesis.place.session_id,
        rank=hypothesis.rank,
        similarity=hypothesis.similarity,
        match_score=hypothesis.match_score,
        probability=float('nan'),
        inliers=hypothesis.inliers,
        map_stamp=types['builtin_interfaces/msg/Time'](0, 0),
        pose_source=0,
        pose=types['geometry_msgs/msg/PoseWithCovariance'](pose, np.zeros(36)),
        position=types['geographic_msgs/msg/GeoPoint'](0.0, 0.0, 0.0),
        image_uri=hypothesis.place.image_uri,
    )
