"""The calibration of the camera that took the images of a bag."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fol_vpr.config import CameraConfig, mount_pose
from fol_vpr.datatypes import Camera, Pose, bare_frame
from fol_vpr.errors import InputError
from fol_vpr.sources.bags.bag import Bag, deserialize
from fol_vpr.sources.bags.mounts import read_mount
from fol_vpr.sources.cameras import (
    CAMERA_INFO,
    WITHOUT_CAMERA,
    camera_from_info,
    camera_info_topics,
    configured_calibration,
    is_rectified,
    size_mismatch,
)


class BagCamera:
    """Gives the calibration of each image, by its size and its frame.

    The configured calibration takes precedence over that of the bag. Of a CameraInfo topic the
    first message is used, for all images.

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
        self.info_topic = '' if config.camera else self._find(image_topic, config)
        self._info = self._first_info()
        self._known: dict[tuple[tuple[int, int], str], Camera | None] = {}

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
        return ''

    def _first_info(self) -> Any:
        if not self.info_topic:
            return None
        try:
            for message in self._bag.read([self.info_topic]):
                return deserialize(message)
        except InputError as error:
            self._warn(f'{error}; {WITHOUT_CAMERA}')
        return None

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
        mount = self._mount
        if mount is None:
            mount = self._mount_by_tf(frame_id)
        if self._given is not None:
            camera = replace(self._given, mount=mount)
        else:
            camera = self._by_info(image_size, frame_id, mount)
        if problem := size_mismatch(camera, image_size):
            raise InputError(problem)
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
        mount, reason = read_mount(self._bag, self._base_frame, frame)
        if mount is None:
            self._warn(
                f'the pose of the camera on the robot is not known ({reason}), so that poses of '
                'the base cannot be measured; give it with --camera-mount'
            )
        return mount
