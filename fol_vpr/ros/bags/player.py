"""Plays a bag: with its own stamps, at a rate, or as fast as its images are answered."""

from __future__ import annotations

import bisect
import struct
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rclpy.duration import Duration
from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock

from fol_vpr.config import PlayerConfig
from fol_vpr.errors import FolVprError, InputError
from fol_vpr.ros.bags.client import client_node, message_class, not_played_message, topic_type
from fol_vpr.ros.messages.conversions import stamp_to_ns, time_from_ns
from fol_vpr.sources import Bag, Message, Topic
from fol_vpr.sources.bags.clocks import HEADER, RECEPTION
from fol_vpr.sources.images.video.packets import VIDEO_DEFINITIONS, is_video
from fol_vpr.sources.window import Moment

Report = Callable[[str], None]
Conclude = Callable[['PlaySummary'], None]
Progress = Callable[[int, int], None]

IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
STAMPED = (('header', 'std_msgs/Header'), ('timestamp', 'builtin_interfaces/Time'))
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
LATCHED = ('/tf_static', '/robot_description')
# Seconds after discovery until the first message is sure to arrive.
DISCOVERY_TIME = 0.5
# Seconds that one turn of the executor may take.
SPIN_TIME = 0.05
ACKNOWLEDGEMENT_TIMEOUT = Duration(seconds=10)


@dataclass
class PlaySummary:
    """What was played.

    Attributes:
        images: number of images, and of packets of video, sent.
        sent: number of messages by the topic that they were published on.
        skipped: topics whose types are not installed here.
        answered, unanswered: number of images; None unless answers were waited for.
        seconds: from the first message to the last.
    """

    images: int = 0
    sent: dict[str, int] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    answered: int | None = None
    unanswered: int | None = None
    seconds: float = 0.0


def play(
    path: str | Path,
    config: PlayerConfig,
    *,
    topics: Collection[str] = (),
    remap: Mapping[str, str] | None = None,
    answers: str = '',
    begin: Moment | None = None,
    end: Moment | None = None,
    stamps: str = HEADER,
    conclude: Conclude,
    report: Report = lambda _: None,
    progress: Progress | None = None,
) -> None:
    """Publish the messages of a bag as they were recorded.

    Args:
        path: the bag.
        config: speed, clock, reliability, waiting.
        topics: topics of the bag to play; if empty, all whose types are installed.
        remap: topic of the bag -> topic to publish on.
        answers: topic on which every image is answered by a message with the stamp of the image in
            its header. At most `in_flight` images are then sent ahead of the answers, so that
            none is dropped, however slow the other side is. Packets of a video are sent without
            waiting, because some give no picture before the next ones are there. Empty: do not
            wait for answers.
        begin, end: of the part to play, by the times of reception; None for the whole bag.
        stamps: `HEADER` leaves the stamps of the messages as they are; `RECEPTION` writes their
            times of reception into their headers.
        conclude: called with what was played, after the last message has arrived.
        report: called with messages for the user.
        progress: called with the number of messages sent, and the total of one pass.

    Raises:
        InputError: the bag cannot be read, or has no such topic.
        FolVprError: nobody subscribes, or nobody publishes answers.
    """
    bag = Bag(path)
    chosen = [bag.find_topic(name).name for name in topics] or list(bag.topics)
    summary = PlaySummary()
    with client_node('bag_player') as (node, executor):
        publishers = _publishers(node, bag, chosen, remap or {}, config, summary)
        for name in summary.skipped:
            report(not_played_message(name, bag.topics[name].msgtype))
        if not topics:
            for topic in bag.foreign.values():
                report(f'{topic} is not played')
        part = _Part(begin, end, stamps == RECEPTION)
        shown = (*IMAGE_TYPES, *VIDEO_DEFINITIONS)
        of_images = [p for name, p in publishers.items() if bag.topics[name].msgtype in shown]
        player = _Player(node, executor, publishers, of_images, config, summary, part)
        player.wait_for_subscriber()
        if answers:
            player.listen(answers)
        total = sum(bag.topics[name].count for name in publishers)
        report(
            f'playing {total} messages of {", ".join(p.topic_name for p in publishers.values())}'
        )
        while True:
            player.play_once(bag, progress, total)
            if not config.loop:
                break
        player.finish()
        conclude(summary)


def _publishers(
    node: Node,
    bag: Bag,
    topics: Collection[str],
    remap: Mapping[str, str],
    config: PlayerConfig,
    summary: PlaySummary,
) -> dict[str, Publisher]:
    """Publishers by the name of the topic in the bag; adds the other topics to the summary."""
    unknown = sorted(set(remap) - set(topics))
    if unknown:
        raise InputError(
            f'{bag.path} has no topic {", ".join(unknown)} that could be renamed; '
            f'it has {bag.list_topics()}'
        )
    publishers = {}
    for name in topics:
        try:
            kind = message_class(bag.topics[name].msgtype)
        except FolVprError:
            summary.skipped.append(name)
            continue
        qos = _qos(bag.topics[name], config)
        publishers[name] = node.create_publisher(kind, remap.get(name, name), qos)
    if not publishers:
        raise InputError(f'{bag.path} has nothing to play; it has {bag.list_topics()}')
    return publishers


def _qos(topic: Topic, config: PlayerConfig) -> QoSProfile:
    # A camera_info that a driver sent once is to reach those who subscribe later, as it did then.
    sent_once = topic.msgtype == 'sensor_msgs/msg/CameraInfo' and topic.count == 1
    if topic.name in LATCHED or sent_once:
        return QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    if config.reliability == 'best_effort':
        return QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    return QoSProfile(history=HistoryPolicy.KEEP_ALL, reliability=ReliabilityPolicy.RELIABLE)


class _Part:
    """Which messages are played, and with which stamps."""

    def __init__(self, begin: Moment | None, end: Moment | None, restamped: bool) -> None:
        self._begin, self._end = begin, end
        self._restamped = restamped
        self._start_ns: int | None = None
        self._has_header: dict[str, bool] = {}

    def is_over(self, message: Message) -> bool:
        """Whether the part has ended before a message; the messages come in order."""
        if self._start_ns is None:
            self._start_ns = message.receive_ns
        return self._end is not None and message.receive_ns > self._end.in_drive(self._start_ns)

    def has_begun(self, message: Message) -> bool:
        """Whether a message is not before the part."""
        assert self._start_ns is not None
        begin = self._begin
        return begin is None or message.receive_ns >= begin.in_drive(self._start_ns)

    def stamped(self, message: Message) -> Message:
        """The message as it is sent."""
        if not self._restamped or not self._is_stamped(message.msgtype):
            return message
        return message._replace(data=with_stamp(message.data, message.receive_ns))

    def _is_stamped(self, msgtype: str) -> bool:
        if msgtype not in self._has_header:
            fields = message_class(msgtype).get_fields_and_field_types()
            self._has_header[msgtype] = next(iter(fields.items()), None) in STAMPED
        return self._has_header[msgtype]


class _Player:
    """One run of the player."""

    def __init__(
        self,
        node: Node,
        executor: Executor,
        publishers: dict[str, Publisher],
        of_images: list[Publisher],
        config: PlayerConfig,
        summary: PlaySummary,
        part: _Part,
    ) -> None:
        self._node = node
        self._part = part
        self._executor = executor
        self._publishers = publishers
        self._of_images = of_images
        self._config = config
        self._summary = summary
        self._outstanding: deque[int] = deque()
        self._listening = False
        self._clock = node.create_publisher(Clock, '/clock', 10) if config.clock else None
        self._clock_due = 0.0

    def wait_for_subscriber(self) -> None:
        """Wait for a subscriber of an image topic, or of any topic if no images are played.

        Raises:
            FolVprError: there is none after `wait_for` seconds.
        """
        if not self._config.wait_for:
            return
        awaited = self._of_images or list(self._publishers.values())
        deadline = time.monotonic() + self._config.wait_for
        while not any(publisher.get_subscription_count() for publisher in awaited):
            if time.monotonic() > deadline:
                names = ', '.join(publisher.topic_name for publisher in awaited)
                raise FolVprError(
                    f'nobody listened to {names} for {self._config.wait_for:g} s: start the '
                    'subscriber, rename the topics, or compare ROS_DOMAIN_ID'
                )
            self._executor.spin_once(timeout_sec=SPIN_TIME)
        self._spin_until(time.monotonic() + DISCOVERY_TIME)

    def listen(self, topic: str) -> None:
        """Subscribe to the answers.

        Raises:
            FolVprError: nobody publishes them within `wait_for` seconds.
        """
        deadline = time.monotonic() + self._config.wait_for
        while (type_name := topic_type(self._node, topic)) is None:
            if time.monotonic() > deadline:
                raise FolVprError(
                    f'nobody publishes answers on {topic} after {self._config.wait_for:g} s: '
                    'give the topic of the node, e.g. /localizer/places'
                )
            self._executor.spin_once(timeout_sec=SPIN_TIME)
        self._node.create_subscription(
            message_class(type_name), topic, self._on_answer, QoSProfile(depth=1000)
        )
        self._listening = True
        self._summary.answered = self._summary.unanswered = 0
        self._spin_until(time.monotonic() + DISCOVERY_TIME)

    def play_once(self, bag: Bag, progress: Progress | None, total: int) -> None:
        """Publish all messages once."""
        started, first = time.monotonic(), None
        # Many drivers send it once, at the start of the drive.
        camera_infos: dict[str, Message] = {}
        for number, message in enumerate(bag.read(self._publishers), start=1):
            if self._part.is_over(message):
                break
            if not self._part.has_begun(message):
                if message.topic in LATCHED:
                    self._send(message)
                elif message.msgtype == CAMERA_INFO:
                    camera_infos[message.topic] = message
                continue
            first = message.receive_ns if first is None else first
            elapsed = (message.receive_ns - first) / 1e9 - self._config.start_offset
            if elapsed < 0 and message.topic not in LATCHED:
                if message.msgtype == CAMERA_INFO:
                    camera_infos[message.topic] = message
                continue
            while camera_infos:
                self._send(camera_infos.popitem()[1])
            if self._config.rate:
                self._spin_until(started + elapsed / self._config.rate, message.receive_ns)
            self._send(message)
            if progress is not None:
                progress(number, total)
        self._summary.seconds += time.monotonic() - started

    def finish(self) -> None:
        """Wait until the last messages have arrived and the last images have been answered."""
        self._wait_for_answers(0)
        if self._config.reliability == 'reliable':
            for publisher in self._publishers.values():
                publisher.wait_for_all_acked(ACKNOWLEDGEMENT_TIMEOUT)
        else:
            self._spin_until(time.monotonic() + DISCOVERY_TIME)

    def _send(self, message: Message) -> None:
        publisher = self._publishers[message.topic]
        message = self._part.stamped(message)
        is_image = message.msgtype in IMAGE_TYPES
        is_packet = is_video(message.msgtype)
        if self._listening and is_image:
            self._wait_for_answers(self._config.in_flight - 1)
            self._outstanding.append(_stamp_of(message))
        elif self._listening and is_packet:
            # Packets of B-frames come in another order than their pictures.
            bisect.insort(self._outstanding, _stamp_of(message))
        if self._clock is not None:
            self._publish_clock(message.receive_ns)
        # The bag and the middleware both use CDR: the recorded bytes are published unparsed.
        publisher.publish(message.data)
        sent = self._summary.sent
        sent[publisher.topic_name] = sent.get(publisher.topic_name, 0) + 1
        self._summary.images += is_image or is_packet

    def _wait_for_answers(self, allowed: int) -> None:
        """Wait until at most `allowed` images are unanswered; give up those that take too long."""
        deadline = time.monotonic() + self._config.answer_timeout
        known = len(self._outstanding)
        while len(self._outstanding) > allowed:
            self._executor.spin_once(timeout_sec=SPIN_TIME)
            if len(self._outstanding) < known:
                known = len(self._outstanding)
                deadline = time.monotonic() + self._config.answer_timeout
            elif time.monotonic() > deadline:
                self._outstanding.popleft()
                self._count(unanswered=1)

    def _on_answer(self, answer: Any) -> None:
        stamp_ns = stamp_to_ns(answer.header.stamp)
        if stamp_ns not in self._outstanding:
            return
        # Images are answered in order: those before this one will not be answered any more.
        passed = self._outstanding.index(stamp_ns)
        for _ in range(passed + 1):
            self._outstanding.popleft()
        self._count(answered=1, unanswered=passed)

    def _count(self, answered: int = 0, unanswered: int = 0) -> None:
        summary = self._summary
        summary.answered = (summary.answered or 0) + answered
        summary.unanswered = (summary.unanswered or 0) + unanswered

    def _spin_until(self, moment: float, next_ns: int | None = None) -> None:
        """Spin until a time of the monotonic clock; meanwhile /clock advances to `next_ns`."""
        while (left := moment - time.monotonic()) > 0:
            if self._clock is not None and next_ns is not None:
                if time.monotonic() >= self._clock_due:
                    self._publish_clock(next_ns - round(left * self._config.rate * 1e9))
                left = min(left, max(0.0, self._clock_due - time.monotonic()))
            self._executor.spin_once(timeout_sec=min(left, SPIN_TIME))

    def _publish_clock(self, now_ns: int) -> None:
        assert self._clock is not None
        self._clock.publish(Clock(clock=time_from_ns(max(0, now_ns))))
        self._clock_due = time.monotonic() + 1 / self._config.clock


def with_stamp(data: bytes, stamp_ns: int) -> bytes:
    """A serialised message that begins with a stamp or a header, with another stamp.

    Args:
        data: as CDR: four bytes that tell the byte order, then the stamp.
        stamp_ns: the new one in nanoseconds, up to the year 2038, which 32 bits of seconds hold.
    """
    if len(data) < 12:
        return data
    stamp = time_from_ns(stamp_ns)
    order = '<' if data[1] & 1 else '>'
    return data[:4] + struct.pack(f'{order}iI', stamp.sec, stamp.nanosec) + data[12:]


def _stamp_of(message: Message) -> int:
    """Stamp in nanoseconds of a serialised message that begins with one; -1 if it is too short."""
    if len(message.data) < 12:
        return -1
    # The second byte of the CDR encapsulation gives the byte order.
    order = '<' if message.data[1] & 1 else '>'
    seconds, rest = struct.unpack_from(f'{order}iI', message.data, 4)
    return int(seconds) * 1_000_000_000 + int(rest)
