"""Places along drives with known poses: bags, or folders of images with positions.

Images are one place where they were taken near each other and looked the same way; places that
are near each other are neither positives nor negatives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fol_vpr.config import MappingConfig
from fol_vpr.datatypes import EARTH_RADIUS, UNKNOWN_ANGLE_VARIANCE, Frame, GeoPosition, Pose
from fol_vpr.errors import FolVprError, InputError
from fol_vpr.mapping import KeyframeSelector
from fol_vpr.sources import Capture, FrameSource, ImageFolder, decode_bytes, open_source
from fol_vpr.sources.window import DriveWindow, numbers_in_drive, parse_moment
from training.data.config import DrivesSource
from training.data.validation import ImageList, LoadableImage, ValidationSet

_MAX_SIDE = 640
_JPEG_QUALITY = 95


@dataclass(frozen=True, eq=False)
class ImagePoses:
    """Where images were taken.

    Attributes:
        positions: [N, 3] in metres.
        headings: [N, 3], unit vectors of the x axis of the base; NaN where they are unknown.
    """

    positions: np.ndarray
    headings: np.ndarray

    @classmethod
    def of(cls, poses: Sequence[Pose]) -> ImagePoses:
        """From poses."""
        positions = np.array([pose.position for pose in poses])
        headings = np.array([_forward(pose) for pose in poses])
        return cls(positions, headings)

    def near(self, index: int, radius: float, angle: float) -> np.ndarray:
        """Which images [N] were taken within `radius` metres and `angle` degrees of one."""
        close = np.linalg.norm(self.positions - self.positions[index], axis=1) <= radius
        cosine = self.headings @ self.headings[index]
        # Comparisons with NaN are False: what has no heading agrees with every one.
        turned: np.ndarray = cosine < np.cos(np.radians(angle)) - 1e-9
        return close & ~turned


class Drives:
    """Places of one or more drives through the same frame.

    Images of bags are decoded once and kept as JPEG in memory, since a bag cannot be read in any
    order; those of folders stay where they are.
    """

    def __init__(self, source: DrivesSource) -> None:
        """Read the bags.

        Raises:
            InputError: a source that cannot be used, poses of different frames, or no place.
        """
        drives = _open(source)
        _check_frames(drives)
        each = [_read(drive, source) for drive in drives]
        stored = [image for images in each for image in images]
        self._of_first = len(each[0])
        self._images = [image for _, image in stored]
        self._where = ImagePoses.of([pose for pose, _ in stored])
        self._radius, self._angle = source.radius, source.angle
        anchors, self._members = group(self._where, source)
        if not anchors:
            raise InputError(
                f'{", ".join(source.paths)}: none of {len(stored)} images with poses has '
                f'{source.min_images - 1} others within {source.radius:g} m and '
                f'{source.angle:g} degrees; raise radius, or add a drive along the same way'
            )
        self._apart = [
            self._where.near(anchor, source.separation, 180)[anchors].nonzero()[0].tolist()
            for anchor in anchors
        ]
        self.description = (
            f'{len(anchors)} places, {len(stored)} images of {", ".join(source.paths)}'
        )

    def __len__(self) -> int:
        return len(self._members)

    def images(self, place: int) -> Sequence[str]:
        """See `PlaceDataset`."""
        return [self._images[index].uri for index in self._members[place]]

    def load(self, place: int, number: int) -> np.ndarray:
        """See `PlaceDataset`."""
        return self._images[self._members[place][number]].load()

    def first_against_others(self) -> ValidationSet:
        """The first drive as references, all others as queries."""
        items = [LoadableImage(image.uri, image.load) for image in self._images]
        first = self._of_first
        positives = [
            self._where.near(query, self._radius, self._angle)[:first].nonzero()[0].tolist()
            for query in range(first, len(items))
        ]
        return ValidationSet(
            self.description,
            ImageList(f'the first of {self.description}', items[:first]),
            ImageList(f'all but the first of {self.description}', items[first:]),
            [frozenset(each) for each in positives],
        )

    def neighbours(self, place: int) -> Sequence[int]:
        """Places within `separation`; see `PlaceDataset`."""
        return [other for other in self._apart[place] if other != place]


def group(where: ImagePoses, source: DrivesSource) -> tuple[list[int], list[list[int]]]:
    """First images of places, and the images of each, in the order of the drives.

    An image begins a place where none has begun within `spacing` that looks the same way; images
    may belong to several places.
    """
    begun = np.zeros(len(where.positions), dtype=bool)
    anchors, members = [], []
    # Images that are just so far apart begin a place each.
    spacing = source.spacing * (1 - 1e-9)
    for index in range(len(where.positions)):
        if (begun & where.near(index, spacing, source.angle)).any():
            continue
        images = where.near(index, source.radius, source.angle).nonzero()[0].tolist()
        if len(images) >= source.min_images:
            begun[index] = True
            anchors.append(index)
            members.append(images)
    return anchors, members


@dataclass(frozen=True, eq=False)
class _Stored:
    """An image in memory, or one of a folder."""

    uri: str
    jpeg: bytes = b''
    folder: ImageFolder | None = None
    index: int = 0

    def load(self) -> np.ndarray:
        if self.folder is not None:
            return self.folder.frame(self.index).image
        return decode_bytes(self.jpeg, self.uri)


def _open(source: DrivesSource) -> list[FrameSource]:
    if not source.paths:
        raise InputError(
            'drives need paths: bags, folders of images with positions, or drives of a dataset'
        )
    if source.positions and len(source.positions) != len(source.paths):
        raise InputError(
            f'there are {len(source.positions)} positions for {len(source.paths)} paths; expected '
            'one CSV for each path, or none'
        )
    opened = [
        open_source(
            path,
            image_topic=source.image_topic or None,
            pose_topic=source.pose_topic or None,
            positions_csv=source.positions[number] if source.positions else None,
            dataset=source.dataset,
            max_pose_gap=source.max_pose_gap,
            stamps=source.stamps,
        )
        for number, path in enumerate(source.paths)
    ]
    begin = parse_moment(source.begin, 'begin') if source.begin else None
    end = parse_moment(source.end, 'end') if source.end else None
    if begin is None and end is None:
        return opened
    return [DriveWindow(drive, begin, end) for drive in opened]


def _check_frames(drives: Sequence[FrameSource]) -> None:
    """Raise InputError where poses of one drive say nothing about those of another."""
    frames = {drive.frame_id for drive in drives}
    if len(drives) > 1 and (len(frames) > 1 or any(drive.own_origin for drive in drives)):
        named = ', '.join(f'{drive.frame_id or "none"} in {drive.description}' for drive in drives)
        raise InputError(
            f'the poses of these drives are in different frames ({named}); give them as sources '
            'of their own, or poses in one map frame'
        )


def _read(drive: FrameSource, source: DrivesSource) -> list[tuple[Pose, _Stored]]:
    """Images with poses; what cannot be read is left out, and the source warns of it."""
    config = MappingConfig(keyframe_distance=source.step, keyframe_angle=source.turn)
    selector = KeyframeSelector(config)
    whole = drive.source if isinstance(drive, DriveWindow) else drive
    if isinstance(whole, ImageFolder):
        _, numbers = numbers_in_drive(drive)
        located = [
            (pose, _Stored(capture.uri, folder=whole, index=index))
            for index, capture in zip(numbers, drive.captures(), strict=True)
            if (pose := _pose(capture.pose, capture.geo)) is not None
            and (not drive.selects_keyframes or _is_taken(selector, capture))
        ]
    else:
        bad: list[FolVprError] = []
        located = [
            (pose, _Stored(f'{frame.uri}#{position}', jpeg=_jpeg(frame)))
            for position, frame in drive.keyframes(selector, 0, lambda _, error: bad.append(error))
            if (pose := _pose(frame.pose, frame.geo)) is not None
        ]
        if bad and not located:
            raise bad[0]
    if not located:
        raise InputError(
            f'{drive.description}: no image has a pose; name pose_topic (bags) or positions '
            '(folders)'
        )
    return located


def _is_taken(selector: KeyframeSelector, capture: Capture) -> bool:
    """Whether an image of a drive is a keyframe, which the selector then remembers."""
    where = capture.stamp_ns, capture.pose, capture.geo
    taken = selector.wants(*where)
    if taken:
        selector.stored(*where)
    return taken


def _pose(pose: Pose | None, geo: GeoPosition | None) -> Pose | None:
    """A pose as it is, or a geodetic position on a sphere, whose chords are distances."""
    if pose is not None or geo is None:
        return pose
    lat, lon = math.radians(geo.latitude), math.radians(geo.longitude)
    around = math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)
    unknown = np.diag([0.0, 0.0, 0.0, *[UNKNOWN_ANGLE_VARIANCE] * 3])
    return Pose(EARTH_RADIUS * np.array(around), np.array([0.0, 0.0, 0.0, 1.0]), unknown)


def _forward(pose: Pose) -> np.ndarray:
    """The x axis of the base in the map frame, NaN where the orientation is unknown."""
    if not pose.has_orientation:
        return np.full(3, np.nan)
    x, y, z, w = pose.orientation
    return np.array([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)])


def _jpeg(frame: Frame) -> bytes:
    height, width = frame.image.shape[:2]
    scale = _MAX_SIDE / max(height, width)
    image = frame.image
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    return bytes(cv2.imencode('.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)[1])
