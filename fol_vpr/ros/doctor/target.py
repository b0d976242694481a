"""Which node is examined, and what it listens to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
)

from fol_vpr.checks.topics.facts import LocalizerFacts
from fol_vpr.errors import InputError
from fol_vpr.ros.doctor.values import settings_of
from fol_vpr.ros.node.inputs.images import LIVE_QOS, REPLAY_QOS, TRANSPORTS, VIDEO_QOS
from fol_vpr.ros.node.parameters.settings import Settings

_POLICIES: dict[str, Any] = {
    'reliability': ReliabilityPolicy,
    'durability': DurabilityPolicy,
    'history': HistoryPolicy,
}
_OVERRIDES = 'qos_overrides.'


@dataclass(frozen=True)
class Wishes:
    """What the user of the doctor has given; None for what a running node, or a default, decides.

    Attributes:
        seconds: how long to listen.
        node: name of the localizer to examine; empty takes the only one.
        namespace: in which relative names of topics are.
        image_topic, camera_info_topic, odom_topic: names of topics.
        values: parameters of the node by name, over those of a running node.
        given: whether `values` are those of a file, so that no running node is asked.
    """

    seconds: float = 5.0
    node: str = ''
    namespace: str = ''
    image_topic: str | None = None
    camera_info_topic: str | None = None
    odom_topic: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    given: bool = False


@dataclass(frozen=True)
class Target:
    """The node that is examined, as it runs or as it would run.

    Attributes:
        localizer: the running node whose settings are taken; None for none.
        settings: of the node.
        values: all its parameters by name, also those of QoS and of the clock.
        image_topic: topic of raw images; of other transports below it.
        camera_info_topic, odom_topic: names of topics.
    """

    localizer: LocalizerFacts | None
    settings: Settings
    values: Mapping[str, Any]
    image_topic: str
    camera_info_topic: str
    odom_topic: str

    @property
    def use_sim_time(self) -> bool:
        """Whether the node takes the time from /clock."""
        return self.values.get('use_sim_time') is True

    def transports(self) -> dict[str, str]:
        """Topics of the images by transport, those that the node would listen to."""
        wanted = self.settings.node.image_transport
        return {
            name: f'{self.image_topic}{kind.topic.removeprefix("image")}'
            for name, kind in TRANSPORTS.items()
            if wanted in ('auto', name)
        }

    def requested_qos(self, transport: str, topic: str) -> QoSProfile:
        """The quality of service that the node asks for on a topic of images.

        Raises:
            InputError: a parameter under qos_overrides is wrong.
        """
        live = VIDEO_QOS if TRANSPORTS[transport].is_video else LIVE_QOS
        base = REPLAY_QOS if self.settings.node.replay else live
        prefix = f'{_OVERRIDES}{topic}.subscription.'
        chosen = {
            name: getattr(base, name) for name in ('reliability', 'durability', 'history', 'depth')
        }
        for name, value in self.values.items():
            key = name.removeprefix(prefix)
            if not name.startswith(prefix) or key not in chosen:
                continue
            if key == 'depth':
                chosen[key] = int(value)
                continue
            try:
                chosen[key] = _POLICIES[key][str(value).upper()]
            except KeyError as error:
                kinds = ', '.join(policy.name.lower() for policy in _POLICIES[key])
                raise InputError(f'{name} is {value!r}, expected one of {kinds}') from error
        return QoSProfile(**chosen)


def choose_target(wishes: Wishes, localizers: list[LocalizerFacts]) -> Target:
    """The node to examine.

    Args:
        wishes: of the user.
        localizers: that run.

    Raises:
        InputError: the user names a node that does not run, or a value is wrong.
    """
    running = _running(wishes, localizers)
    values = dict({} if running is None else running.parameters)
    values.update(wishes.values)
    settings = settings_of(values)
    namespace = wishes.namespace or ('' if running is None else _namespace(running.name))
    image = wishes.image_topic
    if image is None and running is not None:
        image = _image_topic(running)
    found = {} if running is None else running.subscriptions
    info = wishes.camera_info_topic or _only(found, 'sensor_msgs/msg/CameraInfo')
    odom = wishes.odom_topic or _only(found, 'nav_msgs/msg/Odometry')
    return Target(
        localizer=running,
        settings=settings,
        values=values,
        image_topic=_absolute(_without_transport(image or 'image'), namespace),
        camera_info_topic=_absolute(info or 'camera_info', namespace),
        odom_topic=_absolute(odom or 'odom', namespace),
    )


def _running(wishes: Wishes, localizers: list[LocalizerFacts]) -> LocalizerFacts | None:
    if wishes.node:
        name = _absolute(wishes.node, wishes.namespace)
        for each in localizers:
            if each.name == name:
                return each
        there = ', '.join(each.name for each in localizers) or 'none'
        raise InputError(f'there is no localizer {name}; running: {there}')
    if wishes.given or not localizers:
        return None
    return localizers[0]


def _image_topic(running: LocalizerFacts) -> str | None:
    for kind in TRANSPORTS.values():
        topics = running.subscriptions.get(kind.type_name, ())
        if topics:
            return topics[0].removesuffix(kind.topic.removeprefix('image'))
    return None


def _only(subscriptions: Mapping[str, Any], kind: str) -> str | None:
    topics = subscriptions.get(kind, ())
    return topics[0] if topics else None


def _without_transport(topic: str) -> str:
    for kind in TRANSPORTS.values():
        ending = kind.topic.removeprefix('image')
        if ending and topic.endswith(ending):
            return topic.removesuffix(ending)
    return topic


def _namespace(name: str) -> str:
    return name.rpartition('/')[0]


def _absolute(name: str, namespace: str) -> str:
    if name.startswith('/'):
        return name
    return f'/{namespace.strip("/")}/{name}' if namespace.strip('/') else f'/{name}'


def check_topic_names(node: Node, target: Target) -> None:
    """Check that the names can be names of topics.

    Raises:
        InputError: one cannot.
    """
    for option, name in (
        ('--image-topic', target.image_topic),
        ('--camera-info-topic', target.camera_info_topic),
        ('--odom-topic', target.odom_topic),
    ):
        try:
            node.resolve_topic_name(name)
        except Exception as error:
            raise InputError(
                f'{option} is {name!r}, which is no name of a topic: {error}'
            ) from error
