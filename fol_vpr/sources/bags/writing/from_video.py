"""Writes a video file as a ROS 2 bag, packet by packet, without encoding it again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shlex import quote as shell_quote
from typing import Any

import numpy as np

from fol_vpr.config import BagWriterConfig, CameraConfig
from fol_vpr.errors import InputError
from fol_vpr.files import printable
from fol_vpr.sources.bags.bag import typestore
from fol_vpr.sources.bags.writing.cameras import written_camera
from fol_vpr.sources.bags.writing.from_images import BagSummary, Progress, write_images
from fol_vpr.sources.bags.writing.messages import header
from fol_vpr.sources.bags.writing.track import read_track
from fol_vpr.sources.bags.writing.writer import MAX_STAMP_NS, TimedMessage
from fol_vpr.sources.images.stored_image import check_size
from fol_vpr.sources.images.video.decoder import load_pyav
from fol_vpr.sources.images.video.packets import FFMPEG_PACKET, VIDEO_TOPIC
from fol_vpr.versions import version_numbers

_OLDEST_PYAV = '14.2'
# The reader of FFmpeg for each ending. Others, as those of playlists, would open further files.
_READERS = {
    '.mp4': 'mp4', '.mov': 'mov', '.m4v': 'mov', '.3gp': 'mov',
    '.mkv': 'matroska', '.webm': 'matroska',
    '.avi': 'avi',
    '.ts': 'mpegts', '.mts': 'mpegts', '.m2ts': 'mpegts',
}  # fmt: skip
# For each codec that bags with video may have, the filter of FFmpeg that makes packets of a file
# those of a stream, with the parameter sets in it.
_FILTERS = {
    'h264': 'h264_mp4toannexb',
    'hevc': 'hevc_mp4toannexb',
    'av1': 'null',
    'vp8': 'null',
    'vp9': 'null',
    'mjpeg': 'null',
}


def write_bag_from_video(
    video: str | Path,
    output: str | Path,
    *,
    topic: str = VIDEO_TOPIC,
    first_stamp: float | None = None,
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
    """Write the pictures of a video file, and poses, as a bag.

    The packets become messages of ffmpeg_image_transport_msgs/FFMPEGPacket, in order of decoding.
    Each has the stamp of its own picture: `first_stamp` for the first one that players show, and
    by the times of the file for all others, also where its rate changes. A video that was cut may
    begin with pictures that are not shown, from the keyframe before the cut; they are written
    too, with earlier stamps. The times of reception are the stamps in order.

    Args:
        video: MP4, MOV, Matroska, WebM, AVI or MPEG transport stream, with H.264, H.265, AV1,
            VP8, VP9 or MJPEG.
        output: folder of the bag, to be made.
        topic: of the packets.
        first_stamp: time of the first picture in seconds; None gives 1 s to the first one in the
            file.
        frame_id: of the camera.
        storage: sqlite3 or mcap.
        poses_csv: stamped poses or positions, a CSV or a trajectory of TUM, KITTI or EuRoC.
        pose_topic: topic of the poses.
        pose_type: see `write_bag_from_images`.
        map_frame: the frame that the poses are in.
        base_frame: the frame that the poses are of.
        camera: file and mount of the calibration, which become CameraInfo beside the pictures
            and /tf_static.
        overwrite: replace an existing bag.
        progress: called after each picture.

    Raises:
        InputError: PyAV is not installed, or the video, a pose or the calibration cannot be used.
        StorageError: no space or no permission.
    """
    config = BagWriterConfig(
        image_topic=topic,
        frame_id=frame_id,
        storage=storage,
        pose_topic=pose_topic,
        pose_type=pose_type,
        map_frame=map_frame,
        base_frame=base_frame,
    )
    video, output = Path(video), Path(output)
    if first_stamp is not None and not 0 < first_stamp * 1e9 <= MAX_STAMP_NS:
        raise InputError(
            f'the first stamp is {first_stamp:g} s, expected more than 0, where messages have no '
            'time, and no time after the year 2038, where ROS times end'
        )
    shown, size = _survey(video)
    if first_stamp is None:
        first_ns = round(config.first_stamp * 1e9) - min(shown)
    else:
        first_ns = round(first_stamp * 1e9)
    stamps = sorted(first_ns + each for each in shown)
    if stamps[0] <= 0:
        raise InputError(
            f'the first stamp is {first_stamp:g} s, expected more than {-min(shown) / 1e9:g} s, '
            'by which other pictures of the file come before the first one that is shown'
        )
    if stamps[-1] > MAX_STAMP_NS:
        raise InputError(f'{stamps[-1]} ns lies after the year 2038, where ROS times end')
    track = read_track(poses_csv, stamps, config)
    beside = written_camera(camera, stamps, config, lambda: size, video.name)
    return write_images(
        output,
        FFMPEG_PACKET,
        _messages(video, [first_ns + each for each in shown], config),
        stamps,
        track,
        beside,
        config,
        overwrite=overwrite,
        progress=progress,
    )


@contextmanager
def _opened(video: Path) -> Iterator[tuple[Any, Any]]:
    """The container and its film, which is no picture of a cover.

    Raises:
        InputError: the file cannot be read, or holds no video, or one that bags cannot have.
    """
    av = load_pyav()
    if version_numbers(av.__version__) < version_numbers(_OLDEST_PYAV):
        raise InputError(
            f'a bag from a video needs PyAV {_OLDEST_PYAV} or newer, and {av.__version__} is '
            'installed: `pip install --upgrade av`'
        )
    reader = _READERS.get(video.suffix.lower())
    if reader is None:
        raise InputError(
            f'{video} does not have the ending of a video file, expected '
            f'{", ".join(sorted(_READERS))}'
        )
    if not video.is_file():
        raise InputError(f'{video} is no file, expected a video')
    try:
        # FFmpeg takes the part of a relative name before a colon for a protocol.
        name = str(video.absolute())
        with av.open(name, format=reader, metadata_errors='replace') as container:
            stream = container.streams.best('video')
            if stream is None:
                raise InputError(f'{video} holds no video')
            if (codec := _codec_of(stream)) not in _FILTERS:
                raise InputError(
                    f'{video} has the codec {printable(codec)}, expected {", ".join(_FILTERS)}; '
                    f'{_again(video)} encodes it again'
                )
            yield container, stream
    except av.FFmpegError as error:
        raise InputError(
            f'{video} cannot be read as a video: {printable(str(error))}; copy it again from its '
            'original'
        ) from error


def _codec_of(stream: Any) -> str:
    """Its name in FFmpeg, whichever decoder is installed for it."""
    context = stream.codec_context
    return 'unknown' if context is None else str(context.codec.canonical_name)


def _again(video: Path) -> str:
    return f'`ffmpeg -i {shell_quote(str(video))} -c:v libx264 -crf 18 new.mp4`'


def _survey(video: Path) -> tuple[list[int], tuple[int, int]]:
    """When the picture of each packet is shown, in order of decoding, and the size in pixels.

    Returns:
        Nanoseconds from the picture that players show first, below 0 for those before a cut;
        width and height.

    Raises:
        InputError: as `_opened`; or the video has no picture, or no times, or is turned when it
            is shown.
    """
    _check_pictures(video)
    times, kept = [], []
    with _opened(video) as (container, stream):
        size = stream.codec_context.width, stream.codec_context.height
        for packet in _packets(container, stream):
            if packet.pts is None:
                raise InputError(
                    f'{video} does not tell when each picture is shown; {_again(video)} gives '
                    'them times by its rate'
                )
            times.append(packet.pts * packet.time_base)
            if not packet.is_discard:
                kept.append(times[-1])
    if not times:
        raise InputError(f'{video} holds no picture')
    if len(set(times)) < len(times):
        raise InputError(
            f'{video} shows several pictures at the same time; {_again(video)} gives them times'
        )
    first = min(kept or times)
    return [round((time - first) * 1_000_000_000) for time in times], size


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """The packets from the first keyframe on, before which nothing can be decoded."""
    packets = (packet for packet in container.demux(stream) if packet.size)
    return itertools.dropwhile(lambda packet: not packet.is_keyframe, packets)


def _check_pictures(video: Path) -> None:
    """Refuse pictures that are too large, and what packets do not tell.

    Raises:
        InputError: as `_opened`; or the pictures have more than `MAX_PIXELS`; or players turn
            them, as those that a telephone filmed upright; or their order is not known.
    """
    with _opened(video) as (container, stream):
        context = stream.codec_context
        check_size(context.width, context.height, str(video))
        if video.suffix.lower() == '.avi' and context.has_b_frames:
            raise InputError(
                f'{video} has B pictures, and AVI does not tell when each picture is shown; '
                f'{_again(video)} gives them times by its rate'
            )
        frame = next(container.decode(stream), None)
        turn = 0 if frame is None else int(frame.rotation) % 360
        if turn:
            raise InputError(
                f'{video} is turned by {turn} degrees when it is shown, which its packets do not '
                f'tell; {_again(video)} turns the pictures themselves'
            )


def _messages(
    video: Path, stamps: Sequence[int], config: BagWriterConfig
) -> Iterator[TimedMessage]:
    """One message for each packet, in order of decoding.

    Args:
        video: the file.
        stamps: of the picture of each packet.
        config: topic and frame.
    """
    in_order = sorted(stamps)
    numbers = {stamp: number for number, stamp in enumerate(in_order)}
    with _opened(video) as (container, stream):
        codec, av = _codec_of(stream), load_pyav()
        convert = av.bitstream.BitStreamFilterContext(_FILTERS[codec], stream)
        width, height = stream.codec_context.width, stream.codec_context.height
        packets = _packets(container, stream)
        for packet, stamp_ns, received_ns in itertools.zip_longest(packets, stamps, in_order):
            if packet is None or stamp_ns is None:
                raise InputError(f'{video} changed while it was read; wait until it is complete')
            is_key = packet.is_keyframe
            data = b''.join(bytes(each) for each in convert.filter(packet))
            yield TimedMessage(
                received_ns,
                config.image_topic,
                partial(
                    typestore().types[FFMPEG_PACKET],
                    header=header(stamp_ns, config.frame_id),
                    width=width,
                    height=height,
                    encoding=codec,
                    pts=numbers[stamp_ns],
                    flags=int(is_key),
                    is_bigendian=False,
                    data=np.frombuffer(data, np.uint8),
                ),
            )
