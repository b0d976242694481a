"""Opens a path as the kind of source that it is."""

from __future__ import annotations

import logging
from pathlib import Path

from fol_vpr.config import CameraConfig, MappingConfig
from fol_vpr.errors import InputError
from fol_vpr.sources.bags.bag import is_storage
from fol_vpr.sources.bags.clocks import HEADER
from fol_vpr.sources.bags.images import BagImages
from fol_vpr.sources.datasets import open_dataset, recognise
from fol_vpr.sources.folder import ImageFolder, list_images
from fol_vpr.sources.source import FrameSource, path_errors

log = logging.getLogger(__name__)


def open_source(
    path: str | Path,
    *,
    image_topic: str | None = None,
    pose_topic: str | None = None,
    positions_csv: str | Path | None = None,
    max_pose_gap: float = MappingConfig.max_pose_gap,
    frame_id: str = '',
    camera: CameraConfig | None = None,
    odom_topic: str | None = None,
    stamps: str = HEADER,
    dataset: str = '',
) -> FrameSource:
    """Open a folder of images, a bag, or a data set.

    Args:
        path: a folder of images; or a bag: a folder with metadata.yaml, or a
            .db3, .mcap or ROS 1 .bag file.
        image_topic: bags only; may be omitted if the bag has one image topic.
        pose_topic: bags only; without it the frames have no poses.
        positions_csv: folders only; a table, see docs/reference/file_formats.md, or `exif` for
            the positions in the EXIF data of the images.
        max_pose_gap: bags only; maximum time in seconds between two poses to interpolate; 0 takes
            0.5, and 2.5 between satellite fixes.
        frame_id: the frame of the poses, if the source does not name it correctly.
        camera: the calibration, as far as the user gives it.
        odom_topic: bags only; odometry of the base, for `Frame.odometry`.
        stamps: bags only; `header`, or `reception` for times of reception instead of the stamps
            of the headers.
        dataset: name of the data set that `path` is a drive or part of, see `open_dataset`; empty
            for bags and plain folders.

    Raises:
        InputError: the path is neither, or cannot be read, or an argument does not apply to it.
    """
    path = Path(path)
    if dataset:
        given = [each for each in (image_topic, pose_topic, odom_topic, positions_csv) if each]
        if given or stamps != HEADER:
            raise InputError(
                f'{dataset} has no topics, and its positions and times are its own '
                f'({", ".join(map(str, given)) or "--stamps"}); leave that out'
            )
        _check_for_folder(path, camera)
        return open_dataset(
            dataset, path, max_pose_gap=max_pose_gap, frame_id=frame_id, camera=camera
        )
    if is_bag(path):
        if positions_csv is not None:
            raise InputError(
                f'{path} is a bag, whose positions come from a pose topic; a CSV of positions '
                'goes with a folder of images'
            )
        return BagImages(
            path,
            image_topic=image_topic,
            pose_topic=pose_topic,
            max_pose_gap=max_pose_gap,
            frame_id=frame_id,
            camera=camera,
            odom_topic=odom_topic,
            stamps=stamps,
        )
    _check_for_folder(path, camera)
    if topic := image_topic or pose_topic or odom_topic:
        raise InputError(
            f'{path} is a folder of images and has no topics ({topic}); '
            'leave them out, or give a bag'
        )
    if stamps != HEADER:
        raise InputError(
            f'{path} is a folder of images, whose times come from a CSV: leave --stamps out, or '
            'give a bag'
        )
    if positions_csv is None and (name := recognise(path)):
        log.warning(
            '%s looks like a drive of the data set %s: read as a plain folder, its images have no '
            'times and poses, and images of all its cameras count; give --dataset %s %s instead',
            path, name, name, path,
        )  # fmt: skip
    return ImageFolder(path, positions_csv, frame_id=frame_id, camera=camera)


def _check_for_folder(path: Path, camera: CameraConfig | None) -> None:
    given = camera or CameraConfig()
    if given.camera_info_topic or given.base_frame:
        raise InputError(
            f'{path} is a folder of images and has no topics or frames '
            f'({given.camera_info_topic or given.base_frame}); leave them out, or give a bag'
        )
    if given.camera_mount and not given.camera:
        raise InputError(
            f'the mount of the camera of {path} is of no use without its calibration: give '
            '--camera FILE too'
        )


def is_bag(path: Path) -> bool:
    """Whether a path is to be opened as a bag: a file, or a folder of a bag, even a damaged one.

    Raises:
        InputError: there is no such path, or it cannot be accessed.
    """
    with path_errors(path):
        if not path.exists():
            raise InputError(f'{path} does not exist, expected a folder of images or a bag')
        if not path.is_dir() or (path / 'metadata.yaml').is_file():
            return True
        holds_storage = any(is_storage(each) for each in path.iterdir())
        return holds_storage and not list_images(path)[0]
