"""A ROS 2 bag from a folder of images."""

from __future__ import annotations

import heapq
import itertools
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError

from fol_vpr.config import BagWriterConfig
from fol_vpr.errors import InputError, StorageError
from fol_vpr.sources.bag import STORAGE_SUFFIXES, typestore
from fol_vpr.sources.folder import ImageFolder
from fol_vpr.sources.messages import compressed_image, header, located, raw_image
from fol_vpr.sources.poses import NAV_SAT_FIX, ODOMETRY, POSE, POSE_WITH_COVARIANCE
from fol_vpr.sources.positions import Location, read_trajectory

Progress = Callable[[int, int], None]
"""Called with the number of images written and their total."""

_METADATA_VERSION: Literal[9] = 9  # of ROS 2 Jazzy
_TOPIC_NAME = re.compile(r'/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*')
_LAST_STAMP_NS = (2**31 - 1) * 1_000_000_000  # builtin_interfaces/Time counts in int32
_POSE_TYPES = {
    'PoseStamped': POSE,
    'PoseWithCovarianceStamped': POSE_WITH_COVARIANCE,
    'Odometry': ODOMETRY,
}


@dataclass(frozen=True)
class BagSummary:
    """What was written.

    Attributes:
        poses: messages on the pose topic.
        bytes: size of the bag's files.
    """

    path: Path
    images: int
    poses: int
    first_ns: int
    last_ns: int
    bytes: int


class _Record(NamedTuple):
    """One message to be written, made when its turn comes.

    Attributes:
        is_image: orders by time and puts a pose before the image of the same time.
    """

    stamp_ns: int
    is_image: bool
    topic: str
    make: Callable[[], Any]


def write_bag_from_images(
    folder: str | Path,
    output: str | Path,
    *,
    topic: str = '',
    rate: float | None = None,
    stamps_csv: str | Path | None = None,
    compressed: bool = BagWriterConfig.compressed,
    frame_id: str = BagWriterConfig.frame_id,
    storage: str = BagWriterConfig.storage,
    poses_csv: str | Path | None = None,
    pose_topic: str = BagWriterConfig.pose_topic,
    pose_type: str = BagWriterConfig.pose_type,
    map_frame: str = BagWriterConfig.map_frame,
    base_frame: str = BagWriterConfig.base_frame,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> BagSummary:
    """Write the images of a folder, and poses, as a bag.

    Messages lie in the order of their stamps, and were received when they were stamped. The same
    input gives the same bytes. The bag appears under its name only when it is whole.

    Args:
        folder: images, sorted by path; each has to be sound.
        output: the bag's folder, to be made.
        topic: of the images; where empty /camera/image, or /camera/image/compressed.
        rate: images per second, for folders without times.
        stamps_csv: times of the images instead, see docs/data.md; every image
            needs one.
        compressed: CompressedImage with the files' own JPEG or PNG bytes, or Image (rgb8).
        frame_id: of the camera.
        storage: sqlite3 or mcap.
        poses_csv: stamped poses or positions, a CSV or a TUM trajectory; may be `stamps_csv`.
        pose_topic: where they go.
        pose_type: auto (PoseWithCovarianceStamped where there is a covariance, otherwise
            PoseStamped), or one of these, or Odometry; geodetic positions become NavSatFix.
        map_frame: that the poses are in.
        base_frame: whose poses they are.
        overwrite: replace a bag of that name.
        progress: told of every image.

    Raises:
        InputError: a bad image, time, pose or name.
        StorageError: no space, or no permission.
    """
    config = BagWriterConfig(
        image_topic=topic or _default_topic(compressed),
        compressed=compressed,
        frame_id=frame_id,
        storage=storage,
        pose_topic=pose_topic,
        pose_type=pose_type,
        map_frame=map_frame,
        base_frame=base_frame,
    )
    folder, output = Path(folder), Path(output)
    source = ImageFolder(folder, stamps_csv)
    stamps = _stamps(source, rate, None if stamps_csv is None else Path(stamps_csv), config)
    track = [] if poses_csv is None else read_trajectory(Path(poses_csv))
    _check_track(track, poses_csv)
    image_type = f'sensor_msgs/msg/{"Compressed" if compressed else ""}Image'
    types = {config.image_topic: image_type}
    if track and pose_topic == config.image_topic:
        raise InputError(f'{pose_topic} cannot be the topic of the images and of the poses')
    if track:
        types[pose_topic] = _type_of(track, config)
    for name in types:
        _check_topic(name)
    _check_output(output, overwrite)

    written = itertools.count(1)
    records = heapq.merge(
        _pose_records(track, types.get(pose_topic, ''), config),
        _image_records(source, stamps, config),
        key=lambda record: record[:2],
    )
    with _appearing_whole(output) as unfinished:
        _write(
            unfinished,
            config,
            types,
            records,
            lambda: progress(next(written), len(source)) if progress else None,
        )
    return BagSummary(
        path=output,
        images=len(source),
        poses=len(track),
        first_ns=min(stamps),
        last_ns=max(stamps),
        bytes=sum(path.stat().st_size for path in output.iterdir()),
    )


def _default_topic(compressed: bool) -> str:
    """Named as image_transport names them."""
    return BagWriterConfig.image_topic + ('/compressed' if compressed else '')


def _write(
    path: Path,
    config: BagWriterConfig,
    types: dict[str, str],
    records: Iterator[_Record],
    progress: Callable[[], None],
) -> None:
    """Write messages into a new bag folder, and make it durable."""
    storage = StoragePlugin[config.storage.upper()]
    with Writer(path, version=_METADATA_VERSION, storage_plugin=storage) as writer:
        connections: dict[str, Connection] = {
            topic: writer.add_connection(topic, msgtype, typestore=typestore())
            for topic, msgtype in types.items()
        }
        for record in records:
            data = typestore().serialize_cdr(record.make(), types[record.topic])
            writer.write(connections[record.topic], record.stamp_ns, data)
            if record.is_image:
                progress()
    for file in [*path.iterdir(), path]:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _stamps(
    source: ImageFolder, rate: float | None, stamps_csv: Path | None, config: BagWriterConfig
) -> list[int]:
    """Time of each image in nanoseconds."""
    if (rate is None) == (stamps_csv is None):
        raise InputError(
            'a rate in images per second, or a CSV with their times, is needed: one of the two'
        )
    if rate is not None:
        if not 0 < rate <= 1e6:
            raise InputError(f'the rate is {rate} images per second, expected more than 0')
        first_ns = round(config.first_stamp * 1e9)
        stamps = [first_ns + round(index * 1e9 / rate) for index in range(len(source))]
    else:
        known = source.stamps()
        missing = [file for file, stamp in zip(source.files, known, strict=True) if stamp is None]
        if missing:
            raise InputError(
                f'{stamps_csv} has no time for {len(missing)} of {len(known)} images, the first '
                f'being {missing[0]}; add a row with its timestamp, or move it out of the folder'
            )
        stamps = [stamp for stamp in known if stamp is not None]
        _check_distinct(source, stamps)
    if max(stamps) > _LAST_STAMP_NS:
        raise InputError(f'{max(stamps)} ns lies after the year 2038, where ROS times end')
    return stamps


def _check_distinct(source: ImageFolder, stamps: list[int]) -> None:
    order = sorted(range(len(stamps)), key=lambda index: stamps[index])
    for first, second in itertools.pairwise(order):
        if stamps[first] == stamps[second]:
            raise InputError(
                f'{source.files[first]} and {source.files[second]} have the same time, '
                f'{stamps[first]} ns, by which answers are told apart; correct one'
            )


def _image_records(
    source: ImageFolder, stamps: list[int], config: BagWriterConfig
) -> Iterator[_Record]:
    make = compressed_image if config.compressed else raw_image
    for index in sorted(range(len(stamps)), key=lambda index: stamps[index]):
        path, stamp_ns = source.path / source.files[index], stamps[index]
        yield _Record(
            stamp_ns,
            True,
            config.image_topic,
            partial(make, path, header(stamp_ns, config.frame_id)),
        )


def _pose_records(
    track: list[Location], msgtype: str, config: BagWriterConfig
) -> Iterator[_Record]:
    for location in track:
        stamp_ns = location.stamp_ns or 0
        yield _Record(
            stamp_ns,
            False,
            config.pose_topic,
            partial(located, location, msgtype, config),
        )


def _type_of(track: list[Location], config: BagWriterConfig) -> str:
    if track[0].pose is None:
        return NAV_SAT_FIX
    if config.pose_type != 'auto':
        return _POSE_TYPES[config.pose_type]
    uncertain = any(each.pose and each.pose.covariance is not None for each in track)
    return POSE_WITH_COVARIANCE if uncertain else POSE


def _check_track(track: list[Location], path: str | Path | None) -> None:
    if track and (track[-1].stamp_ns or 0) > _LAST_STAMP_NS:
        raise InputError(
            f'{path} holds a time of {track[-1].stamp_ns} ns, after the year 2038, where ROS '
            'times end'
        )


def _check_topic(name: str) -> None:
    if not _TOPIC_NAME.fullmatch(name):
        raise InputError(
            f'{name!r} is no ROS topic, expected names of letters, digits and _ separated by /'
        )


def _check_output(output: Path, overwrite: bool) -> None:
    if output.suffix in STORAGE_SUFFIXES:
        raise InputError(
            f'{output} is to be a folder; leave out {output.suffix} and choose the storage instead'
        )
    if not output.exists():
        return
    if not overwrite:
        raise InputError(f'{output} exists already; choose another name, or ask to overwrite it')
    if not (output / 'metadata.yaml').is_file():
        raise InputError(f'{output} exists already and is no bag, so it is not overwritten')


@contextmanager
def _appearing_whole(output: Path) -> Iterator[Path]:
    """A path to write a bag folder to, which is moved to `output` when all went well.

    Raises:
        StorageError: the file system refuses.
    """
    aside: Path | None = None
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(f'.{output.name}.partial', '.', output.parent))
        # rosbags names the files in a bag after its folder.
        unfinished = aside / output.name
        yield unfinished
        _exchange(unfinished, output, aside / f'{output.name}.replaced')
    except (OSError, sqlite3.Error, WriterError) as error:
        raise StorageError(
            f'{output} cannot be written: {error}; make space or choose a folder that you may '
            'write to. Nothing was left behind'
        ) from error
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)


def _exchange(unfinished: Path, output: Path, replaced: Path) -> None:
    """Move a finished bag to its name, and one that has the name out of the way."""
    if output.exists():
        output.rename(replaced)
    try:
        unfinished.rename(output)
    except OSError:
        if replaced.exists():
            replaced.rename(output)
        raise
