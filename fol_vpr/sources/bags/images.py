"""The images of a bag as a source of frames."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

from fol_vpr.config import CameraConfig, MappingConfig, NodeConfig
from fol_vpr.datatypes import Frame, bare_frame
from fol_vpr.errors import InputError
from fol_vpr.sources.bags.bag import Bag
from fol_vpr.sources.bags.camera import BagCamera
from fol_vpr.sources.bags.clocks import HEADER, TopicClock
from fol_vpr.sources.bags.odometry import BagOdometry
from fol_vpr.sources.bags.pass_report import PassReport
from fol_vpr.sources.bags.poses import PoseTrack, read_pose_track
from fol_vpr.sources.bags.readers import ReadImage, image_reader
from fol_vpr.sources.bags.topics import choose_image_topic
from fol_vpr.sources.cameras import camera_fingerprint
from fol_vpr.sources.source import Capture, FrameSelector, OnBad, path_errors

log = logging.getLogger(__name__)


class BagImages:
    """The images of one topic in order of reception, with poses interpolated to their stamps.

    Images are read and decoded one at a time. Their time is the stamp of the header, or the time
    of reception if the stamp is 0.

    Attributes:
        selects_keyframes: True; a map takes keyframes only.
        image_topic: the topic of the images.
        pose_topic: the topic of the poses, empty if there is none.
        camera_info_topic: the topic of the calibration, empty if there is none.
    """

    selects_keyframes = True

    def __init__(
        self,
        path: str | Path,
        *,
        image_topic: str | None = None,
        pose_topic: str | None = None,
        max_pose_gap: float = MappingConfig.max_pose_gap,
        frame_id: str = '',
        camera: CameraConfig | None = None,
        odom_topic: str | None = None,
        stamps: str = HEADER,
    ) -> None:
        """Open the bag and read its poses.

        Args:
            path: bag folder, .db3 or .mcap file.
            image_topic: of type Image, CompressedImage, FFMPEGPacket or CompressedVideo; may be
                omitted if the bag has one.
            pose_topic: of type Odometry, PoseStamped, PoseWithCovarianceStamped or NavSatFix;
                without it the frames have no poses.
            max_pose_gap: maximum time in seconds between two poses to interpolate; 0 takes 0.5,
                and 2.5 between satellite fixes.
            frame_id: the frame of the poses, if the messages do not name it correctly; it is
                taken as a fixed frame.
            camera: the calibration, as far as the user gives it; the rest is read from the bag.
            odom_topic: Odometry or poses of the base in a frame without jumps; without it the
                frames have no odometry.
            stamps: `clocks.HEADER`, or `clocks.RECEPTION` for times of reception instead of the
                stamps of the headers of images, poses and odometry.

        Raises:
            InputError: the path is no bag, the bag is damaged, or a topic is missing, ambiguous
                or of another type; the message lists the existing topics.
        """
        self._bag, frame_id = Bag(path), bare_frame(frame_id)
        self.warnings: list[str] = list(self._bag.warnings)
        self._topic = choose_image_topic(self._bag, image_topic)
        self.image_topic = self._topic.name
        self.pose_topic = ''
        self._track: PoseTrack | None = None
        self._pose_clock: TopicClock | None = None
        self._stamps = stamps
        if pose_topic:
            self.pose_topic = self._bag.find_topic(pose_topic).name
            self._track, self._pose_clock, tolerated = read_pose_track(
                self._bag, pose_topic, max_pose_gap, stamps
            )
            self.warnings += tolerated
        self._odometry: BagOdometry | None = None
        if odom_topic:
            self._odometry = BagOdometry(self._bag, odom_topic, max_pose_gap, stamps)
            self.warnings += self._odometry.warnings
        self.session_id = self._bag.name
        self.frame_id = (frame_id or self._track.frame_id) if self._track else ''
        self.own_origin = not frame_id and self._track is not None and self._track.own_origin
        if self.own_origin:
            self._name_own_frame()
        config = camera or CameraConfig()
        base = self._base_frame(config)
        if self._odometry is not None:
            self._odometry.transform_to(base, self._warn)
        self._reader = image_reader(self._bag, self._topic, config.image_range, self._warn)
        self._camera = BagCamera(self._bag, self.image_topic, base, config, self._warn)
        self.camera_info_topic = self._camera.info_topic
        poses = f', poses of {self.pose_topic}' if self.pose_topic else ', no poses'
        self.description = f'{len(self)} images of {self.image_topic} in {self._bag.path}{poses}'
        with path_errors(self._bag.path):
            self.fingerprint = self._fingerprint(max_pose_gap, config)

    def __len__(self) -> int:
        return self._topic.count

    def captures(self) -> Iterator[Capture]:
        """What is known of each image; a damaged message has its time of reception as stamp."""
        clock = TopicClock(self._stamps)
        for message in self._reader.messages():
            try:
                stamp_ns = clock.time_of(self._reader.deserialize(message), message.receive_ns)
            except InputError:
                stamp_ns = message.receive_ns
            yield self._capture(stamp_ns)

    def frames(
        self, start: int = 0, on_bad: OnBad | None = None, stop: int | None = None
    ) -> Iterator[tuple[int, Frame]]:
        """Yield (position, frame) from image `start` on; see `FrameSource.frames`."""
        return self._frames(None, start, on_bad, stop)

    def keyframes(
        self, selector: FrameSelector, start: int = 0, on_bad: OnBad | None = None
    ) -> Iterator[tuple[int, Frame]]:
        """The images that a map takes; if the bag has poses, only images that have one.

        Other images are not decoded, so that damaged ones among them are not reported.
        """
        return self._frames(selector, start, on_bad)

    def _frames(
        self,
        selector: FrameSelector | None,
        start: int,
        on_bad: OnBad | None,
        stop: int | None = None,
    ) -> Iterator[tuple[int, Frame]]:
        report = PassReport(
            self._topic,
            TopicClock(self._stamps),
            self._track,
            self._pose_clock,
            leaves_out=selector is not None,
        )
        try:
            messages = report.counted(self._camera.messages(self.image_topic))
            for image in self._reader.read(messages, start):
                position = image.position
                if stop is not None and position >= stop:
                    return
                try:
                    frame = self._frame(image, selector, report)
                except InputError as error:
                    located = InputError(f'image {position} of {self.image_topic}: {error}')
                    if on_bad is None:
                        raise located from error
                    on_bad(position, located)
                    continue
                if frame is not None:
                    yield position, frame
        finally:
            for warning in report.warnings():
                self._warn(warning)

    def _frame(
        self, image: ReadImage, selector: FrameSelector | None, report: PassReport
    ) -> Frame | None:
        """The frame of an image; None if the selector does not choose it."""
        msg = self._reader.deserialize(image.message)
        stamp_ns = report.clock.time_of(msg, image.message.receive_ns)
        capture = self._capture(stamp_ns)
        pose, geo = capture.pose, capture.geo
        is_lost = self._track is not None and pose is None and geo is None
        report.count(stamp_ns, is_lost=is_lost)
        if selector is not None and (is_lost or not selector.wants(stamp_ns, pose, geo)):
            return None
        frame_id, pixels = bare_frame(msg.header.frame_id), image.pixels(msg)
        if frame_id and self._track is not None and frame_id == self._track.child_frame_id:
            self._warn(
                f'the poses of {self.pose_topic} are of {frame_id}, the frame of the images: a '
                'map of them has the poses of the camera, and not of the base of the robot'
            )
        camera = self._camera.for_image((pixels.shape[1], pixels.shape[0]), frame_id)
        odometry = self._odometry.at(stamp_ns) if self._odometry else None
        frame = Frame(
            pixels, frame_id=frame_id, camera=camera, odometry=odometry, **capture._asdict()
        )
        if selector is not None:
            selector.stored(stamp_ns, pose, geo)
        return frame

    def _capture(self, stamp_ns: int) -> Capture:
        pose, geo = self._track.at(stamp_ns) if self._track else (None, None)
        return Capture(stamp_ns, f'{self._bag.path.absolute()}:{self.image_topic}', pose, geo)

    def _name_own_frame(self) -> None:
        """Call the frame map: the frame of the robot's odometry has another origin each drive."""
        assert self._track is not None
        self._warn(
            f'the poses of {self.pose_topic} are odometry in the frame {self._track.frame_id!r}, '
            'whose origin is the start of the drive: a map of them calls the frame map, and poses '
            'of other drives cannot be compared with it. If the frame is a fixed one, name it '
            'with --frame-id'
        )
        self.frame_id = 'map'

    def _base_frame(self, config: CameraConfig) -> str:
        """The frame that the poses, or else the odometry, are of."""
        told = self._track.child_frame_id if self._track else ''
        if told and config.base_frame and told != config.base_frame:
            self._warn(
                f'the poses of {self.pose_topic} are of the frame {told} by its messages, and '
                f'are taken as those of {config.base_frame}, as --base-frame says'
            )
        told = told or (self._odometry.frame if self._odometry else '')
        return config.base_frame or told or NodeConfig.base_frame

    def _warn(self, message: str) -> None:
        if message and message not in self.warnings:
            self.warnings.append(message)
            log.warning(message)

    def _fingerprint(self, max_pose_gap: float, config: CameraConfig) -> str:
        """Hash of the files' names, sizes and times, and of what is read from them."""
        digest = hashlib.sha256()
        for path in self._bag.files():
            status = path.stat()
            digest.update(f'{path.name}\0{status.st_size}\0{status.st_mtime_ns}\0'.encode())
        settings = (self.image_topic, self.pose_topic, str(max_pose_gap), self._stamps)
        digest.update('\0'.join(settings).encode())
        digest.update(self._camera.info_topic.encode())
        digest.update(camera_fingerprint(config))
        return digest.hexdigest()
