"""Writes a folder of images as a ROS 2 bag."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fol_vpr.config import BagWriterConfig, CameraConfig
from fol_vpr.errors import InputError
from fol_vpr.sources.bags.writing.cameras import TF_STATIC, WrittenCamera, written_camera
from fol_vpr.sources.bags.writing.messages import compressed_image, header, raw_image
from fol_vpr.sources.bags.writing.track import Track, read_track
from fol_vpr.sources.bags.writing.writer import MAX_STAMP_NS, TimedMessage, write_bag
from fol_vpr.sources.folder import ImageFolder, read_image_file

Progress = Callable[[int, int], None]
"""Called with the number of images written and of images in all."""


@dataclass(frozen=True)
class BagSummary:
    """Summary of a bag that was written.

    Attributes:
        path: folder of the bag.
        images: number of images.
        poses: number of messages on the pose topic.
        first_ns: stamp of the first image in nanoseconds.
        last_ns: stamp of the last image in nanoseconds.
        bytes: size of the files of the bag.
        notice: how the calibration file was read, where that is worth telling.
    """

    path: Path
    images: int
    poses: int
    first_ns: int
    last_ns: int
    bytes: int
    notice: str = ''


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
    camera: CameraConfig | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> BagSummary:
    """Write the images of a folder, and poses, as a bag.

    Messages are in order of their stamps, and their time of reception is their stamp. The same
    input gives the same bytes. The bag gets its name only when it is complete.

    Args:
        folder: images, used in order of their paths; none may be damaged.
        output: folder of the bag, to be made.
        topic: of the images; empty takes /camera/image, or /camera/image/compressed.
        rate: images per second, for folders without times.
        stamps_csv: times of the images, instead of `rate`; see docs/reference/file_formats.md.
            Every image needs a row.
        compressed: True writes CompressedImage with the JPEG or PNG bytes of the files, False
            writes Image (rgb8).
        frame_id: of the camera.
        storage: sqlite3 or mcap.
        poses_csv: stamped poses or positions, a CSV or a trajectory of TUM, KITTI or EuRoC; may
            be `stamps_csv`.
        pose_topic: topic of the poses.
        pose_type: auto (PoseWithCovarianceStamped if a pose has a covariance, otherwise
            PoseStamped), or one of these, or Odometry; geodetic positions become NavSatFix.
        map_frame: the frame that the poses are in.
        base_frame: the frame that the poses are of.
        camera: file and mount of the calibration, which become CameraInfo beside the images and
            /tf_static from the base frame to the camera; and the range of images with 16 bits.
        overwrite: replace an existing bag.
        progress: called after each image.

    Raises:
        InputError: an image, time, pose, name or calibration cannot be used.
        StorageError: no space or no permission.
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
    levels = CameraConfig(image_range=camera.image_range if camera else ())
    if compressed and levels.image_range:
        raise InputError(
            'a range of images with 16 bits was given, but compressed images keep their bits: '
            'leave --image-range out here, and give it where the bag is read; or add '
            '--no-compressed'
        )
    times_csv = None if stamps_csv is None else Path(stamps_csv)
    source = ImageFolder(folder, times_csv, camera=levels)
    stamps = _stamps(source, rate, times_csv, config)
    track = read_track(poses_csv, stamps, config)
    image_type = f'sensor_msgs/msg/{"Compressed" if compressed else ""}Image'

    def size() -> tuple[int, int]:
        stored = read_image_file(source.path / source.files[0])
        pixels = source.decoder.decode_file(stored, source.files[0], upright=False)
        return pixels.shape[1], pixels.shape[0]

    beside = written_camera(camera, stamps, config, size, source.files[0])
    return write_images(
        output,
        image_type,
        # A calibration is of the pixels as they are stored.
        _image_messages(source, stamps, config, upright=not beside.types),
        stamps,
        track,
        beside,
        config,
        overwrite=overwrite,
        progress=progress,
    )


def write_images(
    output: Path,
    image_type: str,
    images: Iterator[TimedMessage],
    stamps: Sequence[int],
    track: Track,
    beside: WrittenCamera,
    config: BagWriterConfig,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> BagSummary:
    """Write messages of images as a bag, with poses and a calibration beside them.

    Args:
        output: folder of the bag, to be made.
        image_type: of the messages of images.
        images: in order of their times of reception.
        stamps: of the images, in nanoseconds.
        track: poses.
        beside: calibration.
        config: topics and storage.
        overwrite: replace an existing bag.
        progress: called after each image.

    Raises:
        InputError: a topic has no valid name, or `output` exists already.
        StorageError: no space or no permission.
    """
    written = itertools.count(1)

    def report(message: TimedMessage) -> None:
        if progress and message.topic == config.image_topic:
            progress(next(written), len(stamps))

    size = write_bag(
        output,
        {config.image_topic: image_type, **track.types, **beside.types},
        # A pose comes before an image with the same stamp.
        heapq.merge(
            beside.messages, track.messages(), images, key=lambda message: message.stamp_ns
        ),
        storage=config.storage,
        latched=[TF_STATIC],
        overwrite=overwrite,
        progress=report,
    )
    return BagSummary(
        path=output,
        images=len(stamps),
        poses=len(track.locations),
        first_ns=min(stamps),
        last_ns=max(stamps),
        bytes=size,
        notice=beside.notice,
    )


def _default_topic(compressed: bool) -> str:
    """The name by the convention of image_transport."""
    return BagWriterConfig.image_topic + ('/compressed' if compressed else '')


def _stamps(
    source: ImageFolder, rate: float | None, stamps_csv: Path | None, config: BagWriterConfig
) -> list[int]:
    """Time of each image in nanoseconds."""
    if (rate is None) == (stamps_csv is None):
        raise InputError(
            'expected either a rate in images per second or a CSV with the times of the images'
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
    if max(stamps) > MAX_STAMP_NS:
        raise InputError(f'{max(stamps)} ns lies after the year 2038, where ROS times end')
    return stamps


def _check_distinct(source: ImageFolder, stamps: list[int]) -> None:
    order = sorted(range(len(stamps)), key=lambda index: stamps[index])
    for first, second in itertools.pairwise(order):
        if stamps[first] == stamps[second]:
            raise InputError(
                f'{source.files[first]} and {source.files[second]} have the same time, '
                f'{stamps[first]} ns, but times must be distinct; correct one'
            )


def _image_messages(
    source: ImageFolder, stamps: list[int], config: BagWriterConfig, *, upright: bool
) -> Iterator[TimedMessage]:
    make = compressed_image if config.compressed else raw_image
    for index in sorted(range(len(stamps)), key=lambda index: stamps[index]):
        path, stamp_ns = source.path / source.files[index], stamps[index]
        yield TimedMessage(
            stamp_ns,
            config.image_topic,
            partial(make, path, header(stamp_ns, config.frame_id), source.decoder, upright),
        )
