"""Where messages are published, if nobody publishes on the topic that was named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.live import Observer, observer
from nav_msgs.msg import Odometry
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from fol_vpr.config import NodeConfig
from fol_vpr.ros.node.inputs.camera import CameraInput
from fol_vpr.ros.node.inputs.images import ImageInputs
from fol_vpr.ros.node.inputs.odometry import OdometryInput
from fol_vpr.ros.node.inputs.publishers import MAX_LISTED, is_remapped, published_elsewhere

IMAGES = {'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'}


@pytest.fixture
def watch() -> Iterator[Observer]:
    with observer() as made:
        yield made


@pytest.fixture
def node(watch, request) -> Iterator[Node]:
    remapped = getattr(request, 'param', {})
    words = [word for pair in remapped.items() for word in ('-r', '{}:={}'.format(*pair))]
    made = Node('localizer', namespace='robot', cli_args=['--ros-args', *words])
    watch.executor.add_node(made)
    yield made
    watch.executor.remove_node(made)
    made.destroy_node()


def advertise(watch: Observer, kind: type, name: str) -> None:
    watch.node.create_publisher(kind, name, 1)


def test_topics_of_the_types_are_found_those_with_a_similar_name_first(watch, node):
    for name, kind in (
        ('/robot/front/image_raw', Image),
        ('/robot/image_rect/compressed', CompressedImage),
        ('/map_tiles', Image),
        ('/robot/front/camera_info', CameraInfo),
        ('/robot/localizer/debug/match/compressed', CompressedImage),
    ):
        advertise(watch, kind, name)
    node.create_subscription(Image, '/heard/only', lambda _: None, 1)
    watch.until(lambda: len(published_elsewhere(node, '/robot/image_raw', IMAGES)) == 3)
    assert published_elsewhere(node, '/robot/image_raw', IMAGES) == [
        '/robot/front/image_raw (sensor_msgs/msg/Image)',
        '/robot/image_rect/compressed (sensor_msgs/msg/CompressedImage)',
        '/map_tiles (sensor_msgs/msg/Image)',
    ]
    for number in range(MAX_LISTED):
        advertise(watch, Image, f'/more{number}')
    watch.until(lambda: published_elsewhere(node, '/x', IMAGES)[-1] == '3 more')


def test_a_wrong_image_topic_tells_where_images_are(watch, node):
    inputs = ImageInputs(node, NodeConfig(), lambda *_: None, lambda: False)
    inputs.subscribe()
    assert inputs.reports()[0].others == []
    advertise(watch, Image, '/front/image_raw')
    watch.until(lambda: inputs.reports()[0].others)
    assert inputs.reports()[0].others == ['/front/image_raw (sensor_msgs/msg/Image)']
    advertise(watch, Image, '/robot/image')
    watch.until(lambda: inputs.reports()[0].publishers)
    assert not any(report.others for report in inputs.reports())
    inputs.unsubscribe()


@pytest.mark.parametrize(
    'node', [{'camera_info': '/fornt/camera_info', 'odom': '/odmo'}], indirect=True
)
def test_a_name_that_was_given_and_has_no_publisher_is_a_problem(watch, node):
    assert is_remapped(node, 'odom') and not is_remapped(node, 'image')
    camera, odometry, settings = CameraInput(node), OdometryInput(node), NodeConfig()
    camera.subscribe()
    odometry.subscribe()
    assert (camera.problem(settings), odometry.problem()) == ('', '')
    advertise(watch, CameraInfo, '/front/camera_info')
    advertise(watch, Odometry, '/wheels/odom')
    watch.until(lambda: camera.problem(settings) and odometry.problem())
    assert 'nobody publishes on /fornt/camera_info, but on /front/camera_info' in camera.problem(
        settings
    )
    assert 'nobody publishes on /odmo, but on /wheels/odom' in odometry.problem()
    advertise(watch, CameraInfo, '/fornt/camera_info')
    advertise(watch, Odometry, '/odmo')
    watch.until(lambda: not camera.problem(settings) and not odometry.problem())
    camera.unsubscribe()
    odometry.unsubscribe()


def test_a_name_that_nobody_gave_is_none_but_the_state_tells_what_is_there(watch, node):
    camera, odometry, settings = CameraInput(node), OdometryInput(node), NodeConfig()
    camera.subscribe()
    odometry.subscribe()
    assert odometry.description().startswith('none on /robot/odom: motion is estimated')
    advertise(watch, CameraInfo, '/front/camera_info')
    advertise(watch, Odometry, '/wheels/odom')
    watch.until(lambda: 'remap `odom`' in odometry.description())
    watch.until(lambda: 'remap `camera_info`' in camera.description(settings))
    assert '/wheels/odom (nav_msgs/msg/Odometry)' in odometry.description()
    assert (camera.problem(settings), odometry.problem()) == ('', '')
    advertise(watch, Odometry, '/robot/odom')
    watch.until(lambda: odometry.description() == 'on /robot/odom')
    camera.unsubscribe()
    odometry.unsubscribe()
