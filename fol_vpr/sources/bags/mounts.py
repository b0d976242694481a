"""Reads the mount of a camera, its pose in the base frame, from the tf of a bag."""

from __future__ import annotations

from typing import Any

import numpy as np

from fol_vpr.datatypes import Pose, bare_frame
from fol_vpr.errors import InputError
from fol_vpr.geometry.rigid import compose, inverse
from fol_vpr.sources.bags.bag import Bag, deserialize

_TF = 'tf2_msgs/msg/TFMessage'
_STILL = 1e-4
"""Metres, or difference of quaternion elements, by which a fixed transform may vary."""

Edge = tuple[str, Pose]
"""The parent of a frame, and the pose of the frame in the parent."""


def read_mount(bag: Bag, base_frame: str, camera_frame: str) -> tuple[Pose | None, str]:
    """Pose of the camera frame in the base frame, from /tf_static and the fixed part of /tf.

    Args:
        bag: the bag.
        base_frame: of the robot.
        camera_frame: optical frame of the images; empty if unknown.

    Returns:
        The pose and an empty text, or None and the reason in words.

    Raises:
        InputError: the bag is damaged.
    """
    camera_frame, base_frame = map(bare_frame, (camera_frame, base_frame))
    edges = _edges(bag, '/tf_static')
    mount = mount_between(edges, base_frame, camera_frame)
    if mount is None:
        mount = mount_between({**_edges(bag, '/tf'), **edges}, base_frame, camera_frame)
    if mount is not None:
        return mount, ''
    frames = f'from {base_frame} to {camera_frame or "a camera without a frame_id"}'
    return None, f'the bag has no fixed transform {frames}'


def mount_between(edges: dict[str, Edge], base: str, camera: str) -> Pose | None:
    """Pose of one frame in another through a tree of transforms.

    Args:
        edges: the tree, by frame.
        base: the frame that the pose is in.
        camera: the frame that the pose is of.

    Returns:
        The pose, or None if the tree does not connect the frames.
    """
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
    """Pose of a frame in each of its ancestors, nearest first; None for the frame itself."""
    found: dict[str, Pose | None] = {frame: None}
    pose: Pose | None = None
    while frame in edges and edges[frame][0] not in found:
        frame, step = edges[frame]
        pose = step if pose is None else compose(step, pose)
        found[frame] = pose
    return found


def _edges(bag: Bag, topic: str) -> dict[str, Edge]:
    """The transforms of a topic that do not change during the bag."""
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
    """The child frame of a geometry_msgs/TransformStamped, and its edge in the tree.

    The edge is None if the numbers are no valid pose.
    """
    frame, parent = map(bare_frame, (stamped.child_frame_id, stamped.header.frame_id))
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
