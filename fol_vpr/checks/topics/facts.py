"""What is known of topics, clocks, frames and nodes after listening for a while."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fol_vpr.checks.topics.stamps import StampFacts
from fol_vpr.datatypes import Pose


@dataclass(frozen=True)
class TopicReport:
    """Who publishes on a topic that the node listens to.

    Attributes:
        name: resolved name of the topic.
        type_name: the type that the node expects, e.g. sensor_msgs/msg/Image.
        publishers: node, type and reliability of each publisher.
        problems: why messages of a publisher cannot arrive.
        wrong_qos: those of `problems` that are about the quality of service.
        others: where nobody publishes, the topics that messages of such types are published on,
            those with a similar name first, each with its type.
    """

    name: str
    type_name: str
    publishers: Sequence[str] = ()
    problems: Sequence[str] = ()
    wrong_qos: Sequence[str] = ()
    others: Sequence[str] = ()


@dataclass(frozen=True)
class StreamFacts:
    """Messages that arrived on a topic.

    Attributes:
        topic: resolved name.
        count: messages that arrived.
        rate: messages per second; 0 for fewer than two.
        lost: messages that were sent meanwhile and did not arrive, by the publisher's count.
        stamps: what is known of their stamps; None without a message.
        delay: median time in seconds from the stamp to the arrival, by the clock.
        frame_id: of the last message.
        frames: names of all frames that occurred.
    """

    topic: str
    count: int = 0
    rate: float = 0.0
    lost: int = 0
    stamps: StampFacts | None = None
    delay: float = 0.0
    frame_id: str = ''
    frames: Sequence[str] = ()


@dataclass(frozen=True)
class ImageFacts:
    """The images of the camera.

    Attributes:
        reports: who publishes, for each topic that the node would listen to.
        stream: what arrived; None for nothing.
        size: width and height of the last image in pixels; None where it cannot be decoded.
        encoding: of the last image.
        error: why the last image cannot be decoded; empty where it can.
    """

    reports: Sequence[TopicReport] = ()
    stream: StreamFacts | None = None
    size: tuple[int, int] | None = None
    encoding: str = ''
    error: str = ''


@dataclass(frozen=True)
class CameraFacts:
    """The calibration of the camera.

    Attributes:
        report: who publishes camera_info.
        info: the last CameraInfo; None for none.
        rectified: whether the images are rectified, by the name of their topic.
    """

    report: TopicReport
    info: Any = None
    rectified: bool = False


@dataclass(frozen=True)
class OdometryFacts:
    """The odometry.

    Attributes:
        report: who publishes it.
        stream: what arrived; None for nothing.
        child_frame_id: the frame on the robot that it is of.
    """

    report: TopicReport
    stream: StreamFacts | None = None
    child_frame_id: str = ''


@dataclass(frozen=True)
class ClockFacts:
    """The clock of the node, and /clock.

    Attributes:
        use_sim_time: whether the node takes the time from /clock.
        publishers: nodes that publish on /clock.
        count: messages that arrived on /clock.
        advanced: seconds by which that time went on meanwhile.
    """

    use_sim_time: bool = False
    publishers: Sequence[str] = ()
    count: int = 0
    advanced: float = 0.0


@dataclass(frozen=True)
class FrameFacts:
    """The tree of frames.

    Attributes:
        known: whether transforms could be listened to.
        static: by frame its parent and its pose in that, of /tf_static.
        moving: likewise of /tf.
        parents: by frame all parents that were named.
        base_frame: setting of the node.
        mount: the pose of the camera in the base frame, by the parameter camera_mount.
        publish_tf: whether the node publishes map -> odom.
        map_frame: name of the frame of the map; empty where it is not known.
    """

    known: bool = True
    static: Mapping[str, tuple[str, Pose]] = field(default_factory=dict)
    moving: Mapping[str, tuple[str, Pose]] = field(default_factory=dict)
    parents: Mapping[str, Sequence[str]] = field(default_factory=dict)
    base_frame: str = 'base_link'
    mount: Pose | None = None
    publish_tf: bool = False
    map_frame: str = ''


@dataclass(frozen=True)
class LocalizerFacts:
    """A node `localizer` that runs.

    Attributes:
        name: with its namespace.
        state: label of its lifecycle state; empty where it did not answer.
        problem: why it did not answer; empty where it did.
        parameters: by name.
        statuses: (level, part, message) of its diagnostics, where level is ok, warning or error.
        subscriptions: topics that it listens to, by type.
    """

    name: str
    state: str = ''
    problem: str = ''
    parameters: Mapping[str, Any] = field(default_factory=dict)
    statuses: Sequence[tuple[str, str, str]] = ()
    subscriptions: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class GraphFacts:
    """Everything that was seen of ROS.

    Attributes:
        seconds: for how long it was listened.
        nodes: full names of the other nodes.
        topics: types by the name of each topic that somebody publishes.
        localizers: nodes of this package.
        clock, images, camera, odometry, frames: see their classes.
        replay: whether the node answers a bag image by image.
        odom_gap: setting of the node in seconds.
        stamp_tolerance: setting of the node in seconds.
        examined: name of the localizer whose settings are taken; empty for none.
    """

    seconds: float
    nodes: Sequence[str]
    topics: Mapping[str, Sequence[str]]
    localizers: Sequence[LocalizerFacts]
    clock: ClockFacts
    images: ImageFacts
    camera: CameraFacts
    odometry: OdometryFacts
    frames: FrameFacts
    replay: bool = False
    odom_gap: float = 0.2
    stamp_tolerance: float = 0.5
    examined: str = ''

    def command_to_set(self, parameter: str, value: str) -> str:
        """The command that sets a parameter of the running localizer; empty where none runs."""
        name = self.examined or next((each.name for each in self.localizers), '')
        return f'ros2 param set {name} {parameter} {value}' if name else ''
