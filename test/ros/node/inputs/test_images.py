"""The subscriptions to images."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers import live
from helpers.messages import picture
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image

from fol_vpr.config import NodeConfig
from fol_vpr.errors import InputError
from fol_vpr.ros.node.inputs.images import ImageInputs


class Listening:
    """Subscriptions on a plain node, and what arrived on them."""

    def __init__(self, watch: live.Observer, node: Node, settings: NodeConfig) -> None:
        self.watch, self.node = watch, node
        self.arrived: list[tuple[int, str, int]] = []
        self.full = False
        self.inputs = ImageInputs(node, settings, self._on_image, lambda: self.full)
        self.inputs.subscribe()
        watch.executor.add_node(node)

    def _on_image(self, message, topic: str, lost: int, is_video: bool) -> None:
        assert not is_video
        self.arrived.append((message.header.stamp.sec, topic, lost))

    def topics(self) -> list[str]:
        return sorted(report.name for report in self.inputs.reports())


@pytest.fixture
def listen() -> Iterator:
    nodes: list[Node] = []
    with live.observer() as watch:

        def make(**settings) -> Listening:
            nodes.append(Node('listener'))
            return Listening(watch, nodes[-1], NodeConfig(**settings))

        yield make
        for node in nodes:
            watch.executor.remove_node(node)
            node.destroy_node()


def test_the_transport_that_delivers_first_is_the_only_one_until_its_publisher_leaves(listen):
    listening = listen()
    watch = listening.watch
    assert listening.topics() == ['/image', '/image/compressed']
    raw = watch.publisher(Image, '/image')
    raw.publish(picture(0, stamp=7))
    watch.until(lambda: listening.arrived == [(7, '/image', 0)])
    assert listening.topics() == ['/image']
    listening.inputs.resubscribe_if_unpublished()
    assert listening.topics() == ['/image']
    watch.node.destroy_publisher(raw)
    watch.until(lambda: not listening.node.count_publishers('/image'))
    watch.until(
        lambda: listening.inputs.resubscribe_if_unpublished() or len(listening.topics()) == 2
    )
    listening.inputs.unsubscribe()
    listening.inputs.resubscribe_if_unpublished()
    assert listening.topics() == []


def test_a_transport_that_is_not_wanted_is_named_where_it_has_the_images(listen):
    listening = listen(image_transport='raw')
    assert listening.topics() == ['/image']
    listening.watch.node.create_publisher(CompressedImage, '/image/compressed', 1)
    (report,) = listening.watch.until(
        lambda: [r for r in listening.inputs.reports() if r.problems]
    )
    assert 'set image_transport to auto' in report.problems[0]


def test_video_beside_the_raw_topic_is_named(listen):
    from helpers.images.video_messages import message_class

    from fol_vpr.sources.images.video.packets import FFMPEG_PACKET

    with message_class(FFMPEG_PACKET) as kind:
        listening = listen()
        listening.watch.node.create_publisher(kind, '/cam/image_raw/ffmpeg', 1)
        listening.watch.until(lambda: listening.node.count_publishers('/cam/image_raw/ffmpeg'))
        (problem,) = listening.inputs._beside('/cam/image_raw')
    assert 'video is published on /cam/image_raw/ffmpeg' in problem
    assert 'remap `image/ffmpeg` to it' in problem or 'not installed' in problem


def test_images_that_were_lost_are_counted_by_the_numbers_of_the_publisher(listen):
    listening = listen(image_transport='raw')
    listening.watch.publisher(Image, '/image')
    deliver, message = listening.inputs._on_message, picture(0, stamp=1)
    for number in (4, 5, 9):
        deliver('raw', message, {'publication_sequence_number': number})
    assert [lost for *_, lost in listening.arrived] == [0, 0, 3]


def test_in_replay_images_wait_while_the_queue_is_full(listen):
    listening = listen(replay=True)
    publisher = listening.watch.publisher(Image, '/image')
    listening.full = True
    for stamp in (1, 2, 3):
        publisher.publish(picture(0, stamp=stamp))
    listening.watch.spin(0.5)
    assert listening.arrived == []
    listening.full = False
    listening.node.executor.wake()
    listening.watch.until(lambda: len(listening.arrived) == 3)
    assert [stamp for stamp, *_ in listening.arrived] == [1, 2, 3]


def test_a_publisher_of_another_qos_is_named(listen):
    listening = listen(replay=True)
    watch = listening.watch
    best_effort = live.QoSProfile(depth=1, reliability=live.ReliabilityPolicy.BEST_EFFORT)
    watch.node.create_publisher(Image, '/image', best_effort)

    def problems() -> str:
        return ' '.join(p for report in listening.inputs.reports() for p in report.problems)

    watch.until(lambda: 'the QoS of /observer on /image does not fit' in problems())


def test_wrong_qos_overrides_are_an_error_that_names_them():
    with live.observer():
        overrides = [Parameter('qos_overrides./image.subscription.reliability', value='often')]
        node = Node('listener', parameter_overrides=overrides)
        inputs = ImageInputs(node, NodeConfig(), lambda *_: None, lambda: False)
        with pytest.raises(InputError, match=r'qos_overrides\./image\.subscription'):
            inputs.subscribe()
        node.destroy_node()
