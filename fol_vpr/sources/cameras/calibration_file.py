"""Reads the calibration of a camera from a file, in the formats that people have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fol_vpr.config import CameraConfig, mount_pose
from fol_vpr.datatypes import Camera, Pose
from fol_vpr.errors import InputError
from fol_vpr.files import printable, read_bytes, read_text
from fol_vpr.sources.cameras.documents import read_documents
from fol_vpr.sources.cameras.formats.kalibr import basalt_cameras, camchain_cameras, sensor_camera
from fol_vpr.sources.cameras.formats.plain_text import (
    colmap_cameras,
    ini_cameras,
    is_colmap,
    is_ini,
)
from fol_vpr.sources.cameras.formats.ros import (
    camera_of_info,
    is_camera_info,
    matrix_cameras,
    size_in,
)
from fol_vpr.sources.cameras.formats.slam import orb_slam_cameras, vins_cameras
from fol_vpr.sources.cameras.lenses import lens_model
from fol_vpr.sources.cameras.values import DescribedCamera

MAX_BYTES = 200_000
_WHAT = 'a calibration'
_FORMATS = (
    'the YAML or INI of camera_calibration of ROS, a printed camera_info, a camchain of Kalibr or '
    'OpenVINS, sensor.yaml of EuRoC, a FileStorage of OpenCV (YAML, XML, JSON), settings of '
    'ORB-SLAM, VINS or Basalt, cameras.txt of COLMAP'
)
_EXPECTED = f'expected a calibration: {_FORMATS}'
_MAX_WRAPPERS = 3
_LISTED = 8
# Models by the number of coefficients, where no other model of OpenCV has as many.
_BY_COUNT = {5: 'plumb_bob', 8: 'rational_polynomial', 12: 'rational_polynomial',
             14: 'rational_polynomial'}  # fmt: skip


@dataclass(frozen=True, eq=False)
class FileCalibration:
    """What a calibration file says of one camera.

    Attributes:
        camera: without mount.
        told: the format and the camera in words, such as "a camchain of Kalibr, camera cam0".
        pose: of the camera in `body`, or None. It is the mount where that is the base frame.
        body: what `pose` is given in, in words.
        common: whether the file is that of ROS and leaves nothing to tell.
    """

    camera: Camera
    told: str
    pose: Pose | None = None
    body: str = ''
    common: bool = False

    def notice(self, path: str, mounted: bool) -> str:
        """What users should know of the reading; empty for the usual file of ROS.

        Args:
            path: of the file.
            mounted: whether the mount is known otherwise.
        """
        if self.common:
            return ''
        said = (
            f'{printable(path)} is read as {self.told}: {self.camera.size[0]}x'
            f'{self.camera.size[1]} pixels, {self.camera.model or "no distortion"}'
        )
        return said if mounted or self.pose is None else f'{said}; {self.pose_told}'

    @property
    def pose_told(self) -> str:
        """The pose that the file gives, and how to use it as the mount; empty if it gives none."""
        if self.pose is None:
            return ''
        values = [*self.pose.position, *self.pose.orientation]
        numbers = ' '.join(f'{round(value, 9) + 0.0:.6g}' for value in values)
        return (
            f'it gives the pose of the camera in {self.body}, which is not taken for the '
            f'mount: if that is the base frame of the robot, add --camera-mount {numbers}'
        )


def configured_calibration(config: CameraConfig) -> FileCalibration | None:
    """The calibration of the configured file with the configured mount, None without a file.

    Raises:
        InputError: the file cannot be read, or holds no valid calibration.
    """
    if not config.camera:
        if config.camera_name:
            raise InputError(
                f'camera_name is {config.camera_name!r}, but no calibration file is given: add '
                '--camera FILE'
            )
        return None
    found = read_calibration(config.camera, config.camera_name)
    return replace(found, camera=replace(found.camera, mount=mount_pose(config.camera_mount)))


def configured_camera(config: CameraConfig) -> Camera | None:
    """The camera of `configured_calibration`, None without a file.

    Raises:
        InputError: the file cannot be read, or holds no valid calibration.
    """
    found = configured_calibration(config)
    return None if found is None else found.camera


def camera_fingerprint(config: CameraConfig) -> bytes:
    """Bytes that identify the configured camera: the settings and the content of the file.

    Raises:
        InputError: the file cannot be read.
    """
    content = read_bytes(config.camera, _WHAT, MAX_BYTES) if config.camera else b''
    return f'{config}'.encode() + content


def read_camera_file(path: str | Path, mount: Pose | None = None, name: str = '') -> Camera:
    """The camera of a calibration file; see `read_calibration`.

    Args:
        path: of the file.
        mount: pose of the optical frame in the base frame.
        name: of the camera, where the file describes several.

    Raises:
        InputError: the file cannot be read, or holds no valid calibration; the message names it.
    """
    return replace(read_calibration(path, name).camera, mount=mount)


def read_calibration(path: str | Path, name: str = '') -> FileCalibration:
    """The calibration of one camera in a file, whose format is recognised by its content.

    Args:
        path: of the file; see docs/reference/file_formats.md for the formats.
        name: of the camera; may be empty where the file describes one.

    Raises:
        InputError: the file cannot be read, is of no known format, describes several cameras, or
            one with a lens model that is not supported; the message names the file and the remedy.
    """
    try:
        return _read(path, name)
    except InputError as error:
        beside = Path(path).with_name('ost.yaml')
        if not beside.is_file() or beside == Path(path):
            raise
        raise InputError(f'{error}; there is {printable(str(beside))} beside it') from error


def _read(path: str | Path, name: str) -> FileCalibration:
    text = read_text(path, _WHAT, MAX_BYTES)
    shown = printable(str(path))
    try:
        by_lines = is_ini(text) or is_colmap(text)
        documents = [] if by_lines else read_documents(text)
    except InputError as error:
        raise InputError(f'{shown} {error}; {_EXPECTED}') from error
    try:
        what, cameras = _of_lines(text) if by_lines else _of_documents(documents)
        chosen = _choose(cameras, name)
        camera, added = _camera(chosen)
    except InputError as error:
        raise InputError(f'{shown} cannot be used: {error}') from error
    of_several = f', camera {printable(chosen.name)}' if len(cameras) > 1 else ''
    return FileCalibration(
        camera=camera,
        told=f'{what}{of_several}{added}',
        pose=chosen.pose,
        body=chosen.body,
        common='camera_calibration' in what and not of_several + added,
    )


def _of_lines(text: str) -> tuple[str, list[DescribedCamera]]:
    if is_ini(text):
        return 'a calibration of ROS (camera_calibration, INI)', ini_cameras(text)
    return 'cameras.txt of COLMAP', colmap_cameras(text)


def _of_documents(documents: list[dict[str, Any]]) -> tuple[str, list[DescribedCamera]]:
    """The format of a text in words, and its cameras."""
    if infos := [each for each in documents if is_camera_info(each)]:
        return 'a printed camera_info', [_first_sound(infos)]
    for document in documents:
        if found := _of_mapping(document, _MAX_WRAPPERS):
            what, cameras = found
            return what, [replace(each, size=each.size or size_in(document)) for each in cameras]
    raise InputError(f'it is no calibration of a known format; {_EXPECTED}')


def _first_sound(infos: list[dict[str, Any]]) -> DescribedCamera:
    """The camera of the first message with a calibration; drivers may begin with zeros."""
    cameras = [camera_of_info(each) for each in infos]
    return next((each for each in cameras if not each.problem), cameras[0])


def _of_mapping(
    document: dict[str, Any], wrappers: int
) -> tuple[str, list[DescribedCamera]] | None:
    if is_camera_info(document):
        return 'a printed camera_info', [camera_of_info(document)]
    if cameras := camchain_cameras(document):
        return 'a camchain of Kalibr', cameras
    if cameras := basalt_cameras(document):
        return 'a calibration of Basalt', cameras
    if cameras := orb_slam_cameras(document):
        return 'settings of ORB-SLAM', cameras
    if cameras := vins_cameras(document):
        return 'a calibration of VINS', cameras
    if cameras := sensor_camera(document):
        return 'a sensor.yaml of EuRoC', cameras
    if found := matrix_cameras(document):
        return found
    # One mapping inside another, as `ros__parameters` has it.
    inner = [value for value in document.values() if isinstance(value, dict)]
    return _of_mapping(inner[0], wrappers - 1) if wrappers and len(inner) == 1 else None


def _choose(cameras: list[DescribedCamera], name: str) -> DescribedCamera:
    names = ', '.join(printable(each.name, 40) or '(without name)' for each in cameras[:_LISTED])
    if len(cameras) > _LISTED:
        names += f' and {len(cameras) - _LISTED} more'
    if not name:
        if len(cameras) == 1:
            return cameras[0]
        raise InputError(
            f'it describes {len(cameras)} cameras: give --camera-name, one of {names}'
        )
    for each in cameras:
        if each.name == name:
            return each
    if len(cameras) == 1 and not cameras[0].name:
        raise InputError(
            f'it describes one camera without a name, not {name!r}: leave out --camera-name'
        )
    raise InputError(f'it has no camera {name!r}; --camera-name is one of {names}')


def _camera(described: DescribedCamera) -> tuple[Camera, str]:
    """The camera, and what was added to the file to get it, in words."""
    if described.problem:
        raise InputError(described.problem)
    model, added = described.model, ''
    count = len(described.coefficients)
    if model is None:
        if count not in _BY_COUNT:
            raise InputError(
                f'it names no distortion model for its {count} coefficients: add '
                '`distortion_model: plumb_bob`, or `equidistant` for a fisheye calibration'
            )
        model = _BY_COUNT[count]
        added = f', which names no lens model; {count} coefficients are those of {model}'
    name, coefficients = lens_model(model, described.coefficients)
    if described.size is None:
        raise InputError(
            'it does not tell the size of the images: add `image_width` and `image_height`, in '
            'pixels, of the images that the camera was calibrated with'
        )
    matrix = np.asarray(described.matrix)
    if matrix.size != 9:
        raise InputError(f'the camera matrix has {matrix.size} numbers, expected 9')
    return Camera(described.size, matrix.reshape(3, 3), name, coefficients), added
