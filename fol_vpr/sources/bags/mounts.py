"""Where the tf of a bag says that a camera sits on the robot."""

from __future__ import annotations

from typing import Any

import numpy as np

from fol_vpr.datatypes import Pose
from fol_vpr.errors import InputError
from fol_vpr.geometry.rigid import compose, inverse
from fol_vpr.sources.bags.bag import Bag, deserialize

_TF = 'tf2_msgs/msg/TFMessage'
_STILL = 1e-4
"""Metres, and differences of quaternions, that a transform may vary by and count as fixed."""

Edge = tuple[str, Pose]
"""A frame's parent, and its pose in there."""


def read_mount(bag: Bag, base_frame: str, camera_frame: str) -> tuple[Pose | None, str]:
    """Pose of a camera's frame in the base frame, by /tf_static and what stands still in /tf.

    Returns:
        The pose, or None and in words why it is not known.

    Raises:
        InputError: the bag is damaged.
    """
    camera_frame, base_frame = (name.removeprefix('/') for name in (camera_frame, base_frame))
    edges = _edges(bag, '/tf_static')
    mount = mount_between(edges, base_frame, camera_frame)
    if mount is None:
        mount = mount_between({**_edges(bag, '/tf'), **edges}, base_frame, camera_frame)
    if mount is not None:
        return mount, ''
    frames = f'from {base_frame} to {camera_frame or "a camera without a frame_id"}'
    return None, f'the bag has no fixed transform {frames}'


def mount_between(edges: dict[str, Edge], base: str, camera: str) -> Pose | None:
    """Pose of one frame in another through a tree of transforms, None where it has no way."""
    if not camera:
        return None
    if camera == base:
        return Pose(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]))
    above_camera, above_base = _ancestors(edges, camera), _ancestors(edges, base)
    shared = next((frame for frame in above_camera if frame in above_base), None)
    if shared is None:
        return None
    up, down = above_camera[shared], above_base[shared]
    if down is None or up is None:
        return inverse(down) if down is not None else up
    return compose(inverse(down), up)


def _ancestors(edges: dict[str, Edge], frame: str) -> dict[str, Pose | None]:
    """Pose of a frame in each of those above it, nearest first; None in itself."""
    found: dict[str, Pose | None] = {frame: None}
    pose: Pose | None = None
    while frame in edges and edges[frame][0] not in found:
        frame, step = edges[frame]
        pose = step if pose is None else compose(step, pose)
        found[frame] = pose
    return found


def _edges(bag: Bag, topic: str) -> dict[str, Edge]:
    """The transforms of a topic, but for those that change."""
    if topic not in bag.topics or bag.topics[topic].msgtype != _TF:
        return {}
    edges: dict[str, Edge] = {}
    moving: set[str] = set()
    for message in bag.read([topic]):
        for stamped in deserialize(message).transforms:
            frame, edge = edge_from_transform(stamped)
            if edge is not None and _differ(edges.setdefault(frame, edge), edge):
                moving.add(frame)
    return {frame: edge for frame, edge in edges.items() if frame not in moving}


def edge_from_transform(stamped: Any) -> tuple[str, Edge | None]:
    """Frame, its parent and its pose in there, of a geometry_msgs/TransformStamped.

    The edge is None where the numbers are no pose.
    """
    # Names with a slash in front are from ROS 1.
    frame, parent = (
        str(name).removeprefix('/') for name in (stamped.child_frame_id, stamped.header.frame_id)
    )
    place, turn = stamped.transform.translation, stamped.transform.rotation
    try:
        pose = Pose(
            np.array([place.x, place.y, place.z]), np.array([turn.x, turn.y, turn.z, turn.w])
        )
    except InputError:
        return frame, None
    return frame, (parent, pose)


def _differ(first: Edge, second: Edge) -> bool:
    (parent, one), (other_parent, two) = first, second
    turned = min(
        np.abs(one.orientation - two.orientation).max(),
        np.abs(one.orientation + two.orientation).max(),
    )
    moved = np.abs(one.position - two.position).max()
    return bool(parent != other_parent or max(turned, moved) > _STILL)
