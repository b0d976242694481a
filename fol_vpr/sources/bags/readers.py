"""Reads the messages of an image topic and gives their pixels: still images, or video packets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from rosbags.typesys.store import Typestore

from fol_vpr.errors import InputError
from fol_vpr.files import printable
from fol_vpr.sources.bags.bag import Bag, Message, Topic, deserialize, typestore
from fol_vpr.sources.images.decode import read_image
from fol_vpr.sources.images.levels import Warn
from fol_vpr.sources.images.stream import Read, StreamDecoder, spread
from fol_vpr.sources.images.video.decoder import Picture, VideoDecoder, load_pyav
from fol_vpr.sources.images.video.packets import (
    COMPRESSED_IMAGE,
    is_video,
    is_video_format,
    packet_of,
    stamp_and_frame,
)

_REORDERED = 16
"""Largest number of pictures by which H.264 and H.265 reorder."""
_TIME = 'builtin_interfaces/msg/Time'


class ReadImage(NamedTuple):
    """An image of a topic.

    Attributes:
        position: number of the image on the topic.
        message: that it came in.
        pixels: gives [H, W, 3] uint8 for the deserialized message; raises InputError where the
            image cannot be used.
    """

    position: int
    message: Message
    pixels: Callable[[Any], np.ndarray]


class StillReader:
    """Reads images in order of reception.

    Args:
        bag: the bag.
        topic: of type Image or CompressedImage.
        image_range: the setting of that name.
        warn: called with warnings.
    """

    def __init__(self, bag: Bag, topic: Topic, image_range: Sequence[float], warn: Warn) -> None:
        self._bag, self._topic = bag, topic
        self._decoder = StreamDecoder(
            topic.name, warn, image_range=image_range, survey=self._survey
        )

    def messages(self) -> Iterator[Message]:
        """The messages in the order of their positions."""
        return self._bag.read([self._topic.name])

    def deserialize(self, message: Message) -> Any:
        """A message, which has a header.

        Raises:
            InputError: the message is damaged.
        """
        return deserialize(message)

    def read(self, messages: Iterable[Message], start: int) -> Iterator[ReadImage]:
        """The images from a position on.

        Args:
            messages: all messages of the topic, in order of reception.
            start: position of the first image.
        """
        for position, message in enumerate(messages):
            if position >= start:
                yield ReadImage(position, message, self._decoder.decode)

    def _survey(self) -> Iterator[Read]:
        """Readers of images that are evenly spread over the bag."""
        wanted = set(spread(self._topic.count))
        for position, message in enumerate(self.messages()):
            if position in wanted:
                yield lambda message=message: read_image(deserialize(message))  # type: ignore[misc]


class VideoReader:
    """Reads the pictures of a video stream in order of presentation.

    Packets of a stream with B-frames come in another order. Their positions are those of their
    pictures, by the stamps, which belong to the picture of their own packet.

    Args:
        bag: the bag.
        topic: of type FFMPEGPacket, CompressedVideo, or CompressedImage with a video.
        warn: called with warnings.

    Raises:
        InputError: PyAV is not installed.
    """

    def __init__(self, bag: Bag, topic: Topic, warn: Warn) -> None:
        load_pyav()
        self._bag, self._topic, self._warn = bag, topic, warn
        self._positions: list[int] | None = None
        self._keys: list[int] = []
        self._own_types: Typestore | None = None
        self._is_known = False

    def deserialize(self, message: Message) -> Any:
        """A message with a header, which CompressedVideo has not.

        Raises:
            InputError: the message is damaged.
        """
        msg = self._packet_message(message)
        if hasattr(msg, 'header'):
            return msg
        stamp, frame_id = stamp_and_frame(msg)
        return SimpleNamespace(header=SimpleNamespace(stamp=stamp, frame_id=frame_id))

    def _packet_message(self, message: Message) -> Any:
        """A message by the fields that are usual, or by those that the bag defines.

        FFMPEGPacket had other fields in ROS 1, and keeps them in bags that were converted.
        """
        if self._own_types is not None:
            return _by(self._own_types, message)
        try:
            msg = deserialize(message)
            packet_of(msg)
        except InputError:
            if self._is_known:
                return deserialize(message)
            own = self._other_types(message)
            if own is None:
                return deserialize(message)
            self._own_types = own
            return _by(own, message)
        self._is_known = True
        return msg

    def _other_types(self, message: Message) -> Typestore | None:
        """The types by the definition in the bag; None if they do not fit either."""
        try:
            types = self._bag.types_of(self._topic.name)
            types.register({_TIME: typestore().fielddefs[_TIME]})
            packet_of(_by(types, message))
        except InputError:
            return None
        return types

    def messages(self) -> Iterator[Message]:
        """The messages in the order of their positions."""
        positions = self._index()
        waiting: dict[int, Message] = {}
        due = 0
        for number, message in enumerate(self._bag.read([self._topic.name])):
            waiting[positions[number]] = message
            while due in waiting:
                yield waiting.pop(due)
                due += 1

    def read(self, messages: Iterable[Message], start: int) -> Iterator[ReadImage]:
        """The pictures from a position on; those that cannot be decoded are left out.

        Decoding begins at the last keyframe before, so that the pictures are the same as if all
        had been read.

        Args:
            messages: all messages of the topic, in order of reception.
            start: position of the first picture.
        """
        positions = self._index()
        first = max((key for key in self._keys if positions[key] <= start), default=0)
        dropped: Counter[str] = Counter()

        def count(token: tuple[int, Message], reason: str) -> None:
            dropped[reason] += token[0] >= start

        decoder = VideoDecoder(count)
        try:
            for number, message in enumerate(messages):
                if number < first:
                    continue
                position = positions[number]
                try:
                    packet = packet_of(self._packet_message(message))
                except InputError as error:
                    decoder.lose()
                    if position >= start:
                        yield ReadImage(position, message, _failing(error))
                    continue
                yield from _from(start, decoder.decode(packet, (position, message)))
                if decoder.notice:
                    self._warn(f'{self._topic.name}: {decoder.notice}')
            yield from _from(start, decoder.flush())
        finally:
            for reason, number in (+dropped).items():
                self._warn(
                    f'{number} of {self._topic.count} packets on {self._topic.name} {reason}: '
                    'there is no image of them'
                )

    def _stamp_and_key(self, message: Message) -> tuple[int, bool]:
        try:
            msg = self._packet_message(message)
            stamp, _ = stamp_and_frame(msg)
            stamp_ns = int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
            is_key = packet_of(msg).is_key
        except InputError:
            return message.receive_ns, False
        return (stamp_ns if stamp_ns > 0 else message.receive_ns), is_key

    def _index(self) -> list[int]:
        """The position of each message, found by reading the topic once."""
        if self._positions is None:
            stamps = []
            for number, message in enumerate(self._bag.read([self._topic.name])):
                stamp_ns, is_key = self._stamp_and_key(message)
                stamps.append(stamp_ns)
                if is_key:
                    self._keys.append(number)
            self._positions = _presented(stamps)
        return self._positions


def image_reader(
    bag: Bag, topic: Topic, image_range: Sequence[float], warn: Warn
) -> StillReader | VideoReader:
    """The reader of an image topic.

    Args:
        bag: the bag.
        topic: one of the types in `topics.IMAGE_TYPES`.
        image_range: the setting of that name, for images with 16 bits.
        warn: called with warnings.

    Raises:
        InputError: the topic holds video, and PyAV is not installed.
    """
    if _is_video(bag, topic):
        return VideoReader(bag, topic, warn)
    return StillReader(bag, topic, image_range, warn)


def _is_video(bag: Bag, topic: Topic) -> bool:
    """Whether a topic holds video, as some encoders publish it in a CompressedImage too."""
    if topic.msgtype != COMPRESSED_IMAGE:
        return is_video(topic.msgtype)
    first = next(bag.read([topic.name]), None)
    try:
        return first is not None and is_video_format(str(deserialize(first).format))
    except InputError:
        return False


def _by(types: Typestore, message: Message) -> Any:
    try:
        return types.deserialize_cdr(message.data, message.msgtype)
    except Exception as error:
        # Damaged bytes make rosbags raise exceptions of many types.
        raise InputError(
            f'message on {printable(message.topic)} at {message.receive_ns} ns is damaged: '
            f'{printable(str(error))}'
        ) from error


def _from(start: int, pictures: list[Picture[tuple[int, Message]]]) -> Iterator[ReadImage]:
    for picture in pictures:
        position, message = picture.token
        if position >= start:
            rgb = picture.rgb
            yield ReadImage(position, message, lambda _, rgb=rgb: rgb())  # type: ignore[misc]


def _failing(error: InputError) -> Callable[[Any], np.ndarray]:
    def fail(_: Any) -> np.ndarray:
        raise error

    return fail


def _presented(stamps: list[int]) -> list[int]:
    """The position of each message in order of presentation.

    Where the stamps run back farther than a codec reorders, they are no times of pictures, and the
    order stays that of reception.
    """
    order = sorted(range(len(stamps)), key=lambda number: stamps[number])
    positions = [0] * len(stamps)
    for position, number in enumerate(order):
        positions[number] = position
    if any(abs(position - number) > _REORDERED for number, position in enumerate(positions)):
        return list(range(len(stamps)))
    return positions
