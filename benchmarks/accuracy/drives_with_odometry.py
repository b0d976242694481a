"""Drives with exact poses, and the odometry that a robot would have had on them.

The odometry is made of the exact poses, each step with three errors: a wrong scale and a steady
turn, the same all the way, and a random walk. How large they are is drawn from a seed, and said by
`Drift`.
"""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import gtsam
import numpy as np

from benchmarks.datasets import tum_camera
from examples.pose_graph_backend.geometry import pose3
from fol_vpr.datatypes import Camera, Pose
from fol_vpr.sources import Bag, decode_bytes, deserialize


@dataclass(frozen=True)
class Drift:
    """Standard deviations of what is wrong with the odometry.

    Attributes:
        scale: share of the way.
        bend: steady turn, rad/m; about the vertical where `flat`, else about each axis.
        position, rotation: random walk, m/√m and rad/√m.
        flat: the robot drives on the ground, and its odometry knows.
    """

    scale: float
    bend: float
    position: float
    rotation: float
    flat: bool

    def of(self, poses: Sequence[gtsam.Pose3], seed: int) -> list[gtsam.Pose3]:
        """Odometry that begins at the first pose."""
        rng = np.random.default_rng([seed, 1])
        scale = 1 + rng.normal(0, self.scale)
        axes = np.array([0, 0, 1] if self.flat else [1, 1, 1])
        moved = np.array([1, 1, 0] if self.flat else [1, 1, 1])
        bend = axes * rng.normal(0, self.bend, 3)
        found = [poses[0]]
        for before, after in pairwise(poses):
            step = before.between(after)
            way = float(np.linalg.norm(step.translation()))
            walk = np.sqrt(way) * rng.normal(0, 1, 6)
            wrong = np.concatenate(
                [bend * way + axes * self.rotation * walk[:3], moved * self.position * walk[3:]]
            )
            scaled = gtsam.Pose3(step.rotation(), scale * step.translation())
            found.append(found[-1].compose(scaled).compose(gtsam.Pose3.Expmap(wrong)))
        return found


@dataclass(frozen=True, eq=False)
class Run:
    """A drive.

    Attributes:
        stamps, poses: exact poses of the base, at least at the images.
        images: stamps of the images; each is among `stamps`.
        load: the image [H, W, 3] of a position in `images`.
        drift: of its odometry.
        camera: of the images, with its mount.
    """

    name: str
    stamps: list[int]
    poses: list[gtsam.Pose3]
    images: list[int]
    load: Callable[[int], np.ndarray]
    drift: Drift
    camera: Camera

    @property
    def length(self) -> float:
        """Metres driven."""
        places = np.array([pose.translation() for pose in self.poses])
        return float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum())


def desk(data: Path) -> Run:
    """TUM freiburg1_desk: a camera in the hand, whose poses are those of its optical frame."""
    folder = data / 'tum_fr1_desk'
    with (folder / 'frames.csv').open() as file:
        rows = list(csv.DictReader(file))
    stamps = [round(float(row['timestamp']) * 1e6) * 1000 for row in rows]
    names = [['tx', 'ty', 'tz'], ['qx', 'qy', 'qz', 'qw']]
    poses = [pose3(*([float(row[name]) for name in each] for each in names)) for row in rows]

    def load(number: int) -> np.ndarray:
        path = folder / rows[number]['file']
        return decode_bytes(path.read_bytes(), str(path))

    return Run(
        name='TUM fr1_desk',
        stamps=stamps,
        poses=poses,
        images=stamps,
        load=load,
        drift=Drift(scale=0.02, bend=0.02, position=0.01, rotation=0.01, flat=False),
        camera=tum_camera(folder / 'TUM1.yaml'),
    )


def town(path: Path) -> Run:
    """A loop of 1.6 rounds through the synthetic town; drawn where it is not there yet."""
    if not (path / 'metadata.yaml').exists():
        from training.town.camera.conditions import named
        from training.town.drive import DriveConfig, write_drive

        path.parent.mkdir(parents=True, exist_ok=True)
        loop = DriveConfig(seed=7, drive=1, duration=100.0, rate=2.0, speed=3.0)
        write_drive(loop, named('day', seed=loop.drive), path)
    stamps, poses, images, pictures = [], [], [], []
    camera = mount = None
    topics = ['/ground_truth', '/camera/image/compressed', '/camera/camera_info', '/tf_static']
    for message in Bag(path).read(topics):
        value = deserialize(message)
        if message.topic == '/tf_static':
            mount = _pose_of(*_fields(value.transforms[0].transform, 'translation', 'rotation'))
            continue
        stamp = value.header.stamp.sec * 1_000_000_000 + value.header.stamp.nanosec
        if message.topic == '/ground_truth':
            stamps.append(stamp)
            poses.append(_pose_of(*_fields(value.pose.pose, 'position', 'orientation')))
        elif message.topic == '/camera/camera_info':
            camera = value
        else:
            images.append(stamp)
            pictures.append(bytes(value.data))
    assert camera is not None and mount is not None
    stamps, poses = _with_images(stamps, poses, images)
    return Run(
        name='synthetic town',
        stamps=stamps,
        poses=poses,
        images=images,
        load=lambda number: decode_bytes(pictures[number], str(path)),
        drift=Drift(scale=0.015, bend=0.001, position=0.02, rotation=0.006, flat=True),
        camera=Camera(
            (camera.width, camera.height),
            np.array(camera.k).reshape(3, 3),
            camera.distortion_model,
            np.array(camera.d),
            plain_pose(mount),
        ),
    )


def _with_images(
    stamps: list[int], poses: list[gtsam.Pose3], images: list[int]
) -> tuple[list[int], list[gtsam.Pose3]]:
    """Stamps and poses with those of the images between them."""
    known = dict(zip(stamps, poses, strict=True))
    for stamp in images:
        after = bisect_left(stamps, stamp)
        if stamps[after] != stamp:
            share = (stamp - stamps[after - 1]) / (stamps[after] - stamps[after - 1])
            known[stamp] = poses[after - 1].slerp(share, poses[after])
    every = sorted(known)
    return every, [known[stamp] for stamp in every]


def _fields(message: Any, *names: str) -> list[Any]:
    return [getattr(message, name) for name in names]


def _pose_of(position: Any, quaternion: Any) -> gtsam.Pose3:
    return pose3(_fields(position, 'x', 'y', 'z'), _fields(quaternion, 'x', 'y', 'z', 'w'))


def plain_pose(pose: gtsam.Pose3) -> Pose:
    """The pose as this package has it."""
    turned = pose.rotation().toQuaternion()
    return Pose(pose.translation(), np.array([turned.x(), turned.y(), turned.z(), turned.w()]))
