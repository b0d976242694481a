"""The images of a bag as a source of frames."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from fol_vpr.config import CameraConfig, MappingConfig, NodeConfig
from fol_vpr.datatypes import Frame, bare_frame
from fol_vpr.errors import InputError
from fol_vpr.sources.bags.bag import Bag, Message, Topic, deserialize
from fol_vpr.sources.bags.camera import BagCamera
from fol_vpr.sources.bags.odometry import BagOdometry
from fol_vpr.sources.bags.poses import PoseTrack, header_stamp, read_pose_track
from fol_vpr.sources.bags.topics import choose_image_topic
from fol_vpr.sources.cameras import camera_fingerprint
from fol_vpr.sources.images.decode import read_image
from fol_vpr.sources.images.stream import Read, StreamDecoder, spread
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
    ) -> None:
        """Open the bag and read its poses.

        Args:
            path: bag folder, .db3 or .mcap file.
            image_topic: of type Image or CompressedImage; may be omitted if the bag has one.
            pose_topic: of type Odometry, PoseStamped, PoseWithCovarianceStamped or NavSatFix;
                without it the frames have no poses.
            max_pose_gap: maximum time in seconds between two poses to interpolate.
            frame_id: the frame of the poses, if the messages do not name it correctly; it is
                taken as a fixed frame.
            camera: the calibration, as far as the user gives it; the rest is read from the bag.
            odom_topic: Odometry or poses of the base in a frame without jumps; without it the
                frames have no odometry.

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
        if pose_topic:
            self.pose_topic = self._bag.find_topic(pose_topic).name
            self._track, tolerated = read_pose_track(self._bag, pose_topic, max_pose_gap)
            self.warnings += tolerated
        self._odometry: BagOdometry | None = None
        if odom_topic:
            self._odometry = BagOdometry(self._bag, odom_topic, max_pose_gap)
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
        self._decoder = StreamDecoder(
            self.image_topic, self._warn, image_range=config.image_range, survey=self._survey
        )
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
        for message in self._bag.read([self.image_topic]):
            try:
                stamp_ns = header_stamp(deserialize(message)) or message.receive_ns
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
        report = _PassReport(self._topic, self._track, leaves_out=selector is not None)
        position = -1
        try:
            for position, message in enumerate(self._camera.messages(self.image_topic)):
                if position < start:
                    continue
                if stop is not None and position >= stop:
                    return
                try:
                    frame = self._frame(message, selector, report)
                except InputError as error:
                    located = InputError(f'image {position} of {self.image_topic}: {error}')
                    if on_bad is None:
                        raise located from error
                    on_bad(position, located)
                    continue
                if frame is not None:
                    yield position, frame
            report.count_all(position + 1)
        finally:
            for warning in report.warnings():
                self._warn(warning)

    def _frame(
        self, message: Message, selector: FrameSelector | None, report: _PassReport
    ) -> Frame | None:
        """The frame of a message; None if the selector does not choose it."""
        msg = deserialize(message)
        stamp_ns = report.count_stamp(header_stamp(msg), message.receive_ns)
        capture = self._capture(stamp_ns)
        pose, geo = capture.pose, capture.geo
        is_lost = self._track is not None and pose is None and geo is None
        report.count_pose(is_lost)
        if selector is not None and (is_lost or not selector.wants(stamp_ns, pose, geo)):
            return None
        frame_id, image = bare_frame(msg.header.frame_id), self._decoder.decode(msg)
        if frame_id and self._track is not None and frame_id == self._track.child_frame_id:
            self._warn(
                f'the poses of {self.pose_topic} are of {frame_id}, the frame of the images: a '
                'map of them has the poses of the camera, and not of the base of the robot'
            )
        camera = self._camera.for_image((image.shape[1], image.shape[0]), frame_id)
        odometry = self._odometry.at(stamp_ns) if self._odometry else None
        frame = Frame(
            image, frame_id=frame_id, camera=camera, odometry=odometry, **capture._asdict()
        )
        if selector is not None:
            selector.stored(stamp_ns, pose, geo)
        return frame

    def _survey(self) -> Iterator[Read]:
        """Readers of images that are evenly spread over the bag."""
        wanted = set(spread(self._topic.count))
        for position, message in enumerate(self._bag.read([self.image_topic])):
            if position in wanted:
                yield lambda message=message: read_image(deserialize(message))  # type: ignore[misc]

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
        digest.update(f'{self.image_topic}\0{self.pose_topic}\0{max_pose_gap}'.encode())
        digest.update(self._camera.info_topic.encode())
        digest.update(camera_fingerprint(config))
        return digest.hexdigest()


class _PassReport:
    """Counts problems of the images while they are read once, to report them at the end."""

    def __init__(self, topic: Topic, track: PoseTrack | None, *, leaves_out: bool) -> None:
        self._topic = topic
        self._track = track
        self._leaves_out = leaves_out
        self._counts: Counter[str] = Counter()
        self._last_ns = 0
        self._missing = 0
        self._range_ns = (2**63 - 1, 0)

    def count_stamp(self, header_ns: int, receive_ns: int) -> int:
        """The time of an image: the stamp of its header, or its time of reception."""
        self._counts['seen'] += 1
        stamp_ns = header_ns or receive_ns
        self._counts['unstamped'] += not header_ns
        self._counts['backwards'] += stamp_ns < self._last_ns
        self._last_ns = stamp_ns
        self._range_ns = min(self._range_ns[0], stamp_ns), max(self._range_ns[1], stamp_ns)
        return stamp_ns

    def count_pose(self, is_lost: bool) -> None:
        self._counts['lost'] += is_lost

    def count_all(self, count: int) -> None:
        """Note the number of images at the end of the bag."""
        self._missing = self._topic.count - count

    def warnings(self) -> list[str]:
        counts, of_seen = self._counts, f'of {self._counts["seen"]} images on {self._topic.name}'
        found = []
        if self._missing:
            found.append(
                f'the bag promises {self._topic.count} images on {self._topic.name} and holds '
                f'{self._topic.count - self._missing}; it may be damaged'
            )
        if counts['unstamped']:
            found.append(
                f'{counts["unstamped"]} {of_seen} have a header stamp of 0; '
                'the time of reception is used'
            )
        if counts['backwards']:
            found.append(
                f'{counts["backwards"]} {of_seen} have a stamp before that of the image before '
                'them; they are used in the order of reception'
            )
        if counts['lost'] and self._track is not None:
            first, last = (ns / 1e9 for ns in self._range_ns)
            begin, end = (ns / 1e9 for ns in self._track.stamps[[0, -1]])
            found.append(
                f'{counts["lost"]} {of_seen} have no pose'
                f'{" and are left out" if self._leaves_out else ""}: it would be interpolated '
                f'across more than {self._track.max_gap_ns / 1e9:g} s, or lies outside the '
                f'poses, which run from {begin:.3f} to {end:.3f} s '
                f'(images: {first:.3f} to {last:.3f} s)'
            )
        return found
