"""Whether the camera is in the tree of frames, and whether its axes are those of a camera."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np

from fol_vpr.checks.findings import Finding, Severity, ok
from fol_vpr.checks.topics.facts import FrameFacts, GraphFacts
from fol_vpr.checks.topics.names import listed, similar_names
from fol_vpr.datatypes import Pose, bare_frame
from fol_vpr.geometry.rigid import rotation_matrix
from fol_vpr.sources.bags.mounts import mount_between

_UP = 0.94
"""Cosine to the vertical from which an axis counts as pointing up: within 20 degrees."""
_NO_MOUNT = 'relative poses are those of the camera, and no pose of the base is refined'
AHEAD = '-0.5 0.5 -0.5 0.5'
"""Quaternion x y z w of the optical frame of a camera that looks ahead."""


def is_optical_name(frame: str) -> bool:
    """Whether a frame is an optical one by the naming rule of REP 103."""
    return re.search(r'(^|[_/])optical([_/]|$)', frame) is not None


def connected(facts: FrameFacts, base: str, frame: str) -> bool:
    """Whether /tf_static connects two frames."""
    return mount_between(dict(facts.static), base, frame) is not None


def examine_frames(facts: GraphFacts) -> Iterator[Finding]:
    """Findings on base_frame, the frame of the images, and the transforms between them."""
    frames, stream = facts.frames, facts.images.stream
    camera = '' if stream is None else bare_frame(stream.frame_id)
    if stream is None and facts.camera.info is not None:
        camera = bare_frame(facts.camera.info.header.frame_id)
    base_is_optical = is_optical_name(frames.base_frame)
    if base_is_optical or (camera and camera == frames.base_frame):
        how = 'an optical frame by its name' if base_is_optical else 'the frame of the images'
        yield Finding(
            'frames.optical_base',
            Severity.ERROR,
            f'base_frame is {frames.base_frame}, {how}',
            'poses of the robot would have z along the view and y down: ~/pose and map -> odom '
            'lie on their side',
            'set base_frame to a frame with x ahead and z up (REP 103), usually base_link',
            facts.command_to_set('base_frame', 'base_link'),
        )
    if stream is not None and stream.count and not camera:
        yield Finding(
            'frames.no_camera_frame',
            Severity.WARNING,
            f'the images on {stream.topic} name no frame',
            f'no transform can be looked up for them: {_NO_MOUNT}',
            'set frame_id in the driver, or camera_mount for the node',
        )
    if stream is not None and len(stream.frames) > 1:
        yield Finding(
            'frames.several_camera_frames',
            Severity.WARNING,
            f'the images on {stream.topic} name several frames: {listed(stream.frames)}',
            'images of several cameras are taken for one',
            'give each camera a topic and a node of its own',
        )
    yield from _two_parents(frames)
    yield from _map_to_odom(facts)
    if frames.mount is not None:
        yield from _axes('camera_mount', frames.mount, frames, camera, base_is_optical)
    elif camera and camera != frames.base_frame and frames.known:
        yield from _chain(frames, camera, base_is_optical)


def _chain(frames: FrameFacts, camera: str, base_is_optical: bool) -> Iterator[Finding]:
    base = frames.base_frame
    mount = mount_between(dict(frames.static), base, camera)
    if mount is not None:
        yield from _axes('/tf_static', mount, frames, camera, base_is_optical)
        return
    every = {**frames.moving, **frames.static}
    if mount_between(every, base, camera) is not None:
        moving = [frame for frame in _path(every, camera) if frame not in frames.static]
        moving += [frame for frame in _path(every, base) if frame not in frames.static]
        yield Finding(
            'frames.moving_camera',
            Severity.WARNING,
            f'{base} and {camera} are connected on /tf only, not on /tf_static '
            f'({listed(list(dict.fromkeys(moving)))})',
            f'the node reads fixed transforms: {_NO_MOUNT}',
            'publish a fixed mount on /tf_static (robot_state_publisher does so for fixed joints; '
            'static_transform_publisher), or set camera_mount',
        )
        return
    known = {*every, *(parent for parent, _ in every.values())}
    missing = [frame for frame in (base, camera) if frame not in known]
    seen = f'no transform connects {base} and {camera}'
    if missing:
        seen += f'; {" and ".join(missing)} {"is" if len(missing) == 1 else "are"} in no transform'
    meant = {frame: similar_names(frame, known) for frame in missing}
    hints = [
        f'is {" or ".join(names)} meant by {frame}?' for frame, names in meant.items() if names
    ]
    publish = 'Publish' if hints else 'publish'
    there = f'frames there: {listed(sorted(known))}' if known else 'there are no transforms'
    yield Finding(
        'frames.not_connected',
        Severity.WARNING,
        f'{seen}; {there}',
        _NO_MOUNT,
        ' '.join([*hints, f'{publish} the mount on /tf_static, or set camera_mount']),
        'ros2 run tf2_ros static_transform_publisher --x 0.2 --z 1.3 --qx -0.5 --qy 0.5 --qz -0.5 '
        f'--qw 0.5 --frame-id {base} --child-frame-id {camera}',
    )


def _path(edges: dict[str, tuple[str, Pose]], frame: str) -> list[str]:
    """A frame and its ancestors."""
    found = [frame]
    while frame in edges and edges[frame][0] not in found:
        frame = edges[frame][0]
        found.append(frame)
    return found[:-1]


def _axes(
    source: str, mount: Pose, frames: FrameFacts, camera: str, base_is_optical: bool
) -> Iterator[Finding]:
    """Findings on a known mount: whether its axes can be those of an optical frame."""
    rotation = rotation_matrix(mount.orientation)
    view, down = rotation[:, 2], rotation[:, 1]
    x, y, z = mount.position
    place = f'{x:.2f} m ahead, {y:.2f} m left, {z:.2f} m up'
    name = camera or 'the camera'
    if view[2] > _UP and not base_is_optical:
        cause = (
            f'the transform from {frames.base_frame} lacks the rotation into the optical frame, '
            f'or {frames.base_frame} is itself an optical frame'
            if is_optical_name(camera)
            else f'{name} is the body of the camera (x ahead, z up), and the images should name '
            'the optical frame beside it'
        )
        yield Finding(
            'frames.not_optical',
            Severity.WARNING,
            f'by {source}, {name} looks straight up: {place} of {frames.base_frame}',
            'the images of a camera that looks ahead are then taken for images of the ceiling, '
            'and poses of the base are wrong by 90 degrees',
            f'{cause}. Give the rotation {AHEAD} (x y z w) for a camera that looks ahead; a '
            'camera that does look up is right so',
        )
        return
    if down[2] > math.sin(math.radians(45)) and abs(view[2]) < _UP and not base_is_optical:
        yield Finding(
            'frames.upside_down',
            Severity.WARNING,
            f'by {source}, {name} is upside down: {place} of {frames.base_frame}',
            'a camera that is mounted so is right; else poses of the base are turned by 180 '
            'degrees',
            f'check the rotation; a camera that looks ahead has {AHEAD} (x y z w)',
        )
        return
    yield ok('frames.mount', f'{name}: {place} of {frames.base_frame}, {_view(view)} ({source})')


def _view(view: np.ndarray) -> str:
    """The direction of a view in words."""
    if abs(view[2]) > _UP:
        return 'looks up' if view[2] > 0 else 'looks down'
    heading = math.degrees(math.atan2(view[1], view[0]))
    pitch = math.degrees(math.asin(max(-1.0, min(1.0, float(view[2])))))
    names = ('ahead', 'ahead and left', 'left', 'behind and left', 'behind', 'behind and right',
             'right', 'ahead and right')  # fmt: skip
    where = names[round(heading / 45) % 8]
    tilt = '' if abs(pitch) < 5 else f', {abs(pitch):.0f}° {"up" if pitch > 0 else "down"}'
    return f'looks {where}{tilt}'


def _two_parents(frames: FrameFacts) -> Iterator[Finding]:
    for frame, parents in frames.parents.items():
        if len(parents) > 1:
            yield Finding(
                'frames.two_parents',
                Severity.WARNING,
                f'{frame} has the parents {listed(list(parents))}',
                'transforms through it jump between the two',
                'end one of the publishers',
                'ros2 run tf2_tools view_frames',
            )


def _map_to_odom(facts: GraphFacts) -> Iterator[Finding]:
    frames, odometry = facts.frames, facts.odometry.stream
    if not frames.publish_tf or odometry is None or not odometry.frame_id:
        return
    odom = bare_frame(odometry.frame_id)
    if odom in frames.moving and not any(node.state == 'active' for node in facts.localizers):
        parent = frames.moving[odom][0]
        yield Finding(
            'frames.map_to_odom',
            Severity.WARNING,
            f'publish_tf is true, and another node publishes {parent} -> {odom} already',
            'the robot jumps between the two',
            'set publish_tf to false, or end the other localization',
            'ros2 topic info -v /tf',
        )
