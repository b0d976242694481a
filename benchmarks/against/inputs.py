"""What both builds are given: short bags, images, and places to learn from."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import yaml
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, StoragePlugin, Writer

from fol_vpr.datatypes import Frame
from fol_vpr.sources import open_source

POSES, ODOMETRY = '/ground_truth', '/odom'
DRIVES = ('day', 'evening', 'overcast')
# After the last image of a short bag, so that its pose can be interpolated.
_TAIL_NS = 1_000_000_000
_PLACE_STEP = 4  # images of the drive from one place to the next


def write_images(bag: Path, count: int, output: Path) -> Path:
    """An .npy file [count, H, W, 3] of images in the middle of a drive."""
    frames = open_source(bag)
    first = max(0, len(frames) // 2 - count // 2)
    images = [frame.image for _, frame in frames.frames(first, stop=first + count)]
    np.save(output, np.stack(images))
    return output


def write_picture(bag: Path, output: Path) -> Path:
    """The image in the middle of a drive as a file."""
    source = open_source(bag)
    middle = len(source) // 2
    _, frame = next(iter(source.frames(middle, stop=middle + 1)))
    cv2.imwrite(str(output), cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
    return output


def shorten_bag(bag: Path, images: int, output: Path) -> Path:
    """The begin of a bag, up to its image number `images` and a second more of all else.

    The copy is an SQLite bag with the same messages, byte for byte.
    """
    with (
        Reader(bag) as reader,
        Writer(output, version=8, storage_plugin=StoragePlugin.SQLITE3) as writer,
    ):
        copies: dict[int, Connection] = {}
        left, end = images, None
        for connection, stamp, raw in reader.messages():
            if end is not None and stamp > end:
                break
            is_image = connection.msgtype.rpartition('/')[2] in ('Image', 'CompressedImage')
            if is_image:
                if not left:
                    continue
                left -= 1
                end = None if left else stamp + _TAIL_NS
            if connection.id not in copies:
                copies[connection.id] = writer.add_connection(
                    connection.topic,
                    connection.msgtype,
                    msgdef=connection.msgdef.data,
                    rihs01=connection.digest,
                    offered_qos_profiles=connection.ext.offered_qos_profiles,  # type: ignore[union-attr]
                )
            writer.write(copies[connection.id], stamp, raw)
    return output


def write_places(town: Path, places: int, output: Path) -> Path:
    """Folders of images of the same place in all drives of the town, to learn from."""
    drives = [_with_poses(town / name) for name in DRIVES]
    for number, frame in enumerate(drives[0][::_PLACE_STEP][:places]):
        folder = output / f'{number:04d}'
        folder.mkdir(parents=True)
        for name, frames in zip(DRIVES, drives, strict=True):
            nearest = min(frames, key=lambda other: _apart(frame, other))
            picture = cv2.cvtColor(nearest.image, cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(folder / f'{name}.jpg'), picture)
    return output


def write_recipe(recipe: Path, places: Path, output: Path) -> Path:
    """A recipe of `training/configs` with other places to learn from, and nothing to validate."""
    content = yaml.safe_load(recipe.read_text())
    content['data']['train'] = [{'kind': 'folders', 'path': str(places)}]
    content['validation']['sets'] = []
    content['run'].pop('output', None)
    output.write_text(yaml.safe_dump(content))
    return output


def remove(path: Path) -> None:
    """Remove a file or folder and the files that a map keeps beside itself."""
    for each in path.parent.glob(path.name + '*'):
        if each.is_dir():
            shutil.rmtree(each)
        else:
            each.unlink()


def _with_poses(bag: Path) -> list[Frame]:
    frames = [frame for _, frame in open_source(bag, pose_topic=POSES).frames()]
    return [frame for frame in frames if frame.pose is not None]


def _apart(one: Frame, other: Frame) -> float:
    assert one.pose is not None
    assert other.pose is not None
    return float(np.linalg.norm(one.pose.position - other.pose.position))
