"""The calibration of the camera that took the images of a bag."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from fol_vpr.config import CameraConfig, mount_pose
from fol_vpr.datatypes import Camera, Pose, bare_frame
from fol_vpr.errors import InputError
from fol_vpr.sources.bags.bag import Bag, Message, deserialize
from fol_vpr.sources.bags.mounts import read_mount
from fol_vpr.sources.cameras import (
    CAMERA_INFO,
    WITHOUT_CAMERA,
    binning_hint,
    camera_from_info,
    camera_info_topics,
    configured_calibration,
    image_size,
    is_calibrated,
    is_rectified,
    size_mismatch,
)


class BagCamera:
    """Gives the calibration of each image, by its size and its frame.

    The configured calibration takes precedence over that of the bag. Of a CameraInfo topic the
    last message before the image is used, or the first where there is none before; messages whose
    K is zero, with which some drivers begin, are used only where there is no other.

    Args:
        bag: the bag.
        image_topic: of the images.
        base_frame: of the robot, to read the mount from tf.
        config: the configured calibration.
        warn: called with the reason why images have no calibration, or a camera has no mount.

    Attributes:
        info_topic: the topic of CameraInfo that is used; empty for none.

    Raises:
        InputError: the calibration file is invalid, or the configured CameraInfo topic does not
            exist.
    """

    def __init__(
        self,
        bag: Bag,
        image_topic: str,
        base_frame: str,
        config: CameraConfig,
        warn: Callable[[str], None],
    ) -> None:
        self._bag = bag
        self._base_frame = base_frame
        self._warn = warn
        self._rectified = is_rectified(image_topic)
        self._mount = mount_pose(config.camera_mount)
        self._file = config.camera
        calibration = configured_calibration(config)
        self._given = None if calibration is None else calibration.camera
        self._pose_told = ''
        if calibration is not None:
            warn(calibration.notice(config.camera, mounted=True))
            if self._rectified and calibration.camera.model:
                warn(
                    f'{image_topic} is a name of rectified images, but {config.camera} has the '
                    f'distortion {calibration.camera.model}: it is applied as given. Give the '
                    'calibration of the rectified images, or leave --camera out to use P of '
                    'camera_info'
                )
            if calibration.pose is not None:
                self._pose_told = f'; {config.camera}: {calibration.pose_told}'
        self.info_topic = '' if config.camera else self._find(image_topic, config)
        self._damaged = False
        self._first = self._first_info()
        self._by_frame: dict[str, Any] = {}
        self._changed = False
        self._info = self._first
        self._known: dict[tuple[tuple[int, int], str], Camera | None] = {}
        self._mounts: dict[str, Pose | None] = {}

    def _find(self, image_topic: str, config: CameraConfig) -> str:
        if config.camera_info_topic:
            found = self._bag.find_topic(config.camera_info_topic)
            if found.msgtype != CAMERA_INFO:
                raise InputError(
                    f'{found.name} in {self._bag.path} is of type {found.msgtype}, expected '
                    f'{CAMERA_INFO}; such topics there: {self._bag.list_topics(CAMERA_INFO)}'
                )
            return found.name
        for name in camera_info_topics(image_topic):
            found_beside = self._bag.topics.get(name)
            if found_beside is not None and found_beside.msgtype == CAMERA_INFO:
                return name
        if self._bag.list_topics(CAMERA_INFO) != 'none':
            self._warn(
                f'there is no camera_info beside {image_topic}, and {WITHOUT_CAMERA}; '
                '--camera-info-topic chooses one of (type, messages): '
                f'{self._bag.list_topics(CAMERA_INFO)}'
            )
        return ''

    def _first_info(self) -> Any:
        """The first message with a calibration, or else the first one."""
        first = None
        if not self.info_topic:
            return None
        try:
            for message in self._bag.read([self.info_topic]):
                info = self._read(message)
                first = first or info
                if info is not None and is_calibrated(info, self._rectified):
                    return info
        except InputError as error:
            self._warn(f'{error}; {WITHOUT_CAMERA}')
        return first

    def _read(self, message: Message) -> Any:
        """The CameraInfo of a message, None if it is damaged, with one warning for all."""
        try:
            return deserialize(message)
        except InputError as error:
            if not self._damaged:
                self._warn(f'{error}; such messages are left out')
            self._damaged = True
            return None

    def messages(self, image_topic: str) -> Iterator[Message]:
        """The messages of the image topic, while the calibration is kept up to date.

        Args:
            image_topic: of the images.

        Raises:
            InputError: the bag is damaged.
        """
        self._use(self._first)
        self._by_frame.clear()
        topics = [image_topic]
        if self._first is not None:
            topics.append(self.info_topic)
        for message in self._bag.read(topics):
            if message.topic == image_topic:
                yield message
                continue
            if (info := self._read(message)) is not None:
                self._note(info)

    def _note(self, info: Any) -> None:
        if not is_calibrated(info, self._rectified):
            return
        frame = bare_frame(info.header.frame_id)
        before = self._by_frame.get(frame)
        if before is None and bare_frame(self._first.header.frame_id) == frame:
            before = self._first
        self._by_frame[frame] = info
        if before is not None:
            if _calibration(info) == _calibration(before):
                return
            self._warn_of_change(before, info)
        self._use(info)

    def _warn_of_change(self, before: Any, info: Any) -> None:
        if not self._changed:
            self._warn(
                f'{self.info_topic}: the calibration changes during the recording, first at '
                f'{_stamp(info)}: {_difference(before, info)}; each image is used with the '
                'calibration before it. Give --camera FILE if one holds for all of them'
            )
        self._changed = True

    def _use(self, info: Any) -> None:
        self._info = info
        self._known.clear()

    def for_image(self, image_size: tuple[int, int], frame_id: str) -> Camera | None:
        """The camera of an image, or None if it is not known.

        Args:
            image_size: width and height in pixels.
            frame_id: of the image, from its header.
        """
        key = (image_size, frame_id)
        if key not in self._known:
            try:
                self._known[key] = self._camera(image_size, frame_id)
            except InputError as error:
                self._warn(f'{self._file or self.info_topic}: {error}; {WITHOUT_CAMERA}')
                self._known[key] = None
        return self._known[key]

    def _camera(self, image_size: tuple[int, int], frame_id: str) -> Camera | None:
        if self._given is None and self._info is None:
            return None
        if self._given is None:
            self._info = self._by_frame.get(frame_id, self._info)
        mount = self._mount
        if mount is None:
            mount = self._mount_by_tf(frame_id)
        if self._given is not None:
            camera = replace(self._given, mount=mount)
        else:
            camera = self._by_info(image_size, frame_id, mount)
        if problem := size_mismatch(camera, image_size):
            by_info = self._given is None
            raise InputError(problem + (binning_hint(self._info) if by_info else ''))
        return camera

    def _by_info(self, image_size: tuple[int, int], frame_id: str, mount: Pose | None) -> Camera:
        of_info = bare_frame(self._info.header.frame_id)
        if frame_id and of_info and of_info != frame_id:
            raise InputError(
                f'the calibration is of the frame {of_info}, but the images are of {frame_id}'
            )
        camera = camera_from_info(self._info, image_size, rectified=self._rectified, mount=mount)
        if camera is None:
            raise InputError('the camera is not calibrated (K is zero)')
        return camera

    def _mount_by_tf(self, frame_id: str) -> Pose | None:
        frame = frame_id or ('' if self._info is None else str(self._info.header.frame_id))
        if frame in self._mounts:
            return self._mounts[frame]
        mount, reason = read_mount(self._bag, self._base_frame, frame)
        if mount is None:
            self._warn(
                f'the pose of the camera on the robot is not known ({reason}), so that poses of '
                f'the base cannot be measured; give it with --camera-mount{self._pose_told}'
            )
        self._mounts[frame] = mount
        return mount


def _calibration(info: Any) -> tuple[Any, ...]:
    """What the rays of the pixels depend on."""
    region = info.roi
    return (
        tuple(info.k), tuple(info.d), tuple(info.p), str(info.distortion_model),
        info.width, info.height, info.binning_x, info.binning_y,
        region.x_offset, region.y_offset, region.width, region.height,
    )  # fmt: skip


def _difference(before: Any, after: Any) -> str:
    """The first of the values that differ, in words."""
    (width, height), (wide, high) = image_size(before), image_size(after)
    if (width, height) != (wide, high):
        return f'{width}x{height} pixels become {wide}x{high}'
    if before.k[0] != after.k[0]:
        return f'the focal length {before.k[0]:g} becomes {after.k[0]:g}'
    return 'its matrix or its coefficients become others'


def _stamp(info: Any) -> str:
    """The stamp of a message's header in words."""
    stamp = info.header.stamp
    return f'{stamp.sec}.{stamp.nanosec // 1_000_000:03d} s'
