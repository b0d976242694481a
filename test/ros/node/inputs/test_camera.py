"""The camera of the images that the node is sent: camera_info, /tf_static, and the parameter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from helpers import live, scenes
from helpers.messages import picture
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from fol_vpr.config import NodeConfig
from fol_vpr.database import MapReader
from fol_vpr.datatypes import Frame
from fol_vpr.ros.messages.conversions import frame_from_image
from fol_vpr.ros.node.context import NodeContext
from fol_vpr.ros.node.diagnostics.monitor import Monitor
from fol_vpr.ros.node.diagnostics.publisher import DiagnosticsPublisher
from fol_vpr.ros.node.inputs.camera import CameraInput, StaticMounts
from fol_vpr_msgs.srv import AddPlace

AHEAD = (0.2, 0.0, 1.3, -0.5, 0.5, -0.5, 0.5)
MOUNTED = NodeConfig(camera_mount=AHEAD)


def info(**changes) -> CameraInfo:
    values = {
        'header': Header(frame_id='camera'),
        'width': scenes.WIDTH,
        'height': scenes.HEIGHT,
        'distortion_model': 'plumb_bob',
        'd': [-0.2, 0.05, 0.001, -0.001, 0.0],
        'k': [250.0, 0.0, 159.5, 0.0, 251.0, 119.5, 0.0, 0.0, 1.0],
        'p': [240.0, 0.0, 159.0, 0.0, 0.0, 241.0, 119.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        **changes,
    }
    return CameraInfo(**values)


def frame(frame_id: str = 'camera') -> Frame:
    return frame_from_image(picture(frame_id=frame_id), '/image')


def transform(parent: str, child: str, numbers) -> TransformStamped:
    x, y, z, qx, qy, qz, qw = map(float, numbers)
    return TransformStamped(
        header=Header(frame_id=parent),
        child_frame_id=child,
        transform=Transform(
            translation=Vector3(x=x, y=y, z=z), rotation=Quaternion(x=qx, y=qy, z=qz, w=qw)
        ),
    )


@pytest.fixture
def listen() -> Iterator:
    """A listening CameraInput, after one camera_info has arrived."""
    with live.observer() as watch:
        camera = CameraInput(watch.node)
        camera.subscribe()
        publisher = watch.publisher(CameraInfo, 'camera_info')

        def run(message: CameraInfo) -> CameraInput:
            publisher.publish(message)
            watch.until(lambda: camera._info == message)
            return camera

        run.camera = camera
        yield run
        camera.unsubscribe()


def test_the_camera_of_a_frame(listen):
    camera = listen(info()).camera_of(frame(), MOUNTED)
    assert (camera.size, camera.model) == ((scenes.WIDTH, scenes.HEIGHT), 'plumb_bob')
    np.testing.assert_array_equal(camera.matrix, [[250, 0, 159.5], [0, 251, 119.5], [0, 0, 1]])
    np.testing.assert_array_equal(camera.distortion, [-0.2, 0.05, 0.001, -0.001, 0])
    np.testing.assert_array_equal(camera.mount.position, AHEAD[:3])
    np.testing.assert_array_equal(camera.mount.orientation, AHEAD[3:])
    # Bridges from ROS 1 keep the leading slash, on either side.
    assert listen.camera.camera_of(frame('/camera'), MOUNTED).size == camera.size
    assert listen(info(header=Header(frame_id='/camera'))).camera_of(frame(), MOUNTED) is not None
    # Some drivers leave the frame out.
    assert listen.camera.camera_of(frame(''), MOUNTED).size == camera.size


def test_rectified_images_by_the_name_of_their_topic(listen):
    camera = listen(info())
    camera.remember_image(frame(), '/front/image_rect/compressed')
    assert camera.camera_of(frame(), MOUNTED).matrix[0, 0] == 240
    assert camera.camera_of(frame(), MOUNTED).model == ''


def test_rectified_images_that_come_by_a_service_before_any_of_the_stream():
    rclpy.init(args=[])
    try:
        remapped = ['--ros-args', '-r', 'image:=/front/image_rect']
        camera = CameraInput(Node('rectified', cli_args=remapped))
        camera.subscribe()
        camera._on_info(info())
        assert camera.camera_of(frame(), MOUNTED).matrix[0, 0] == 240
        camera.unsubscribe()
    finally:
        rclpy.shutdown()


@pytest.mark.parametrize(
    'durability', [DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE]
)
def test_a_camera_info_from_publishers_of_both_kinds(durability, capfd):
    with live.observer() as watch:
        kept = durability == DurabilityPolicy.TRANSIENT_LOCAL
        publisher = watch.node.create_publisher(
            CameraInfo, 'camera_info', QoSProfile(depth=1, durability=durability)
        )
        if kept:
            publisher.publish(info())
            watch.spin(0.5)
        camera = CameraInput(watch.node)
        camera.subscribe()
        watch.until(lambda: camera._info == info() or (not kept and publisher.publish(info())))
        assert camera.camera_of(frame(), MOUNTED).matrix[0, 0] == 250
        camera.unsubscribe()
    assert 'incompatible' not in capfd.readouterr().err


def test_zeros_at_the_start_of_a_driver_are_replaced(listen):
    zeros = info(k=[0.0] * 9, d=[], p=[0.0] * 12)
    assert listen(zeros).camera_of(frame(), MOUNTED) is None
    assert listen(info()).camera_of(frame(), MOUNTED).matrix[0, 0] == 250


def test_before_any_camera_info(listen):
    assert listen.camera.camera_of(frame(), MOUNTED) is None
    assert listen.camera.problem(MOUNTED) == ''
    assert 'no camera_info on /camera_info: ' in listen.camera.description(MOUNTED)
    assert 'relative poses' in listen.camera.description(MOUNTED)


@pytest.mark.parametrize(
    ('changes', 'problem', 'description'),
    [
        ({'k': [0.0] * 9}, '', 'not calibrated'),
        ({'width': 1920}, 'the calibration is for 1920x240 pixels', 'does not fit'),
        ({'header': Header(frame_id='rear')}, 'of the frame rear', 'does not fit'),
        ({'distortion_model': 'odd'}, "distortion model is 'odd'", 'does not fit'),
        ({'k': [float('nan')] * 9}, 'camera_info cannot be used', 'does not fit'),
    ],
)
def test_a_camera_info_that_does_not_fit(listen, changes, problem, description):
    camera = listen(info(**{key: value for key, value in changes.items() if key != 'k'}))
    if 'k' in changes:
        camera._on_info(info(**changes))
    camera.remember_image(frame(), '/image')
    assert camera.camera_of(frame(), MOUNTED) is None
    assert problem in camera.problem(MOUNTED)
    assert bool(problem) == bool(camera.problem(MOUNTED))
    assert description in camera.description(MOUNTED)


def test_what_is_missing_for_poses_of_the_base_is_said(listen):
    camera = listen(info())
    assert camera.description(MOUNTED) == 'waiting for images'
    camera.remember_image(frame(), '/image')
    assert camera.description(MOUNTED) == 'calibrated, and its place on the robot is known'
    unknown = camera.description(replace(MOUNTED, camera_mount=(), base_frame='rover'))
    assert 'no fixed transform from rover to camera' in unknown
    assert 'camera_mount' in unknown
    assert camera.camera_of(frame(), NodeConfig()).mount is None


def test_static_transforms_give_the_mount():
    mounts = StaticMounts()
    assert mounts.find('base_link', 'camera') is None
    mounts.add([transform('mast', 'camera', (0.1, 0, 0, -0.5, 0.5, -0.5, 0.5))])
    assert mounts.find('base_link', 'camera') is None
    mounts.add([transform('/base_link', 'mast', (0, 0, 2, 0, 0, 0, 1))])
    found = mounts.find('base_link', '/camera')
    np.testing.assert_allclose(found.position, [0.1, 0, 2], atol=1e-12)
    np.testing.assert_allclose(abs(found.orientation @ AHEAD[3:]), 1)
    assert mounts.find('base_link', 'camera') is found
    mounts.add([transform('base_link', 'mast', (0, 0, 3, 0, 0, 0, 1))])
    assert mounts.find('base_link', 'camera').position[2] == pytest.approx(3)
    mounts.add([transform('base_link', 'mast', (0, 0, 4, 0, 0, 0, 0))])
    assert mounts.find('base_link', 'camera').position[2] == pytest.approx(3)


def test_the_mount_by_tf_static(listen):
    messages = pytest.importorskip('tf2_msgs.msg')
    camera = listen(info())
    node = camera._node
    kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = node.create_publisher(messages.TFMessage, '/tf_static', kept)
    publisher.publish(messages.TFMessage(transforms=[transform('base_link', 'camera', AHEAD)]))
    executor = node.executor
    for _ in range(200):
        executor.spin_once(timeout_sec=0.05)
        if camera.camera_of(frame(), NodeConfig()).mount is not None:
            break
    found = camera.camera_of(frame(), NodeConfig())
    np.testing.assert_array_equal(found.mount.position, AHEAD[:3])
    # What is given on purpose goes before.
    given = NodeConfig(camera_mount=(1.0, *AHEAD[1:]))
    assert camera.camera_of(frame(), given).mount.position[0] == 1


def test_a_mount_that_is_given_goes_before_that_of_tf(listen):
    camera = listen(info())
    other = SimpleNamespace(transforms=[transform('base_link', 'camera', (9, 9, 9, 0, 0, 0, 1))])
    camera._on_static(other)
    assert camera.camera_of(frame(), NodeConfig()).mount.position[0] == 9
    assert camera.camera_of(frame(), MOUNTED).mount.position[0] == AHEAD[0]
    # In the frame of the images, which the driver of camera_info may leave out.
    camera._on_info(info(header=Header()))
    assert camera.camera_of(frame(), NodeConfig()).mount.position[0] == 9
    camera._on_info(info())
    assert camera.camera_of(frame(''), NodeConfig()).mount.position[0] == 9
    assert camera.fixed_transform('base_link', 'camera').position[0] == 9
    assert camera.fixed_transform('camera', 'base_link').position[0] == -9


def test_unsubscribing_forgets_all_messages(listen):
    camera = listen(info())
    camera._on_static(SimpleNamespace(transforms=[transform('base_link', 'camera', AHEAD)]))
    camera.unsubscribe()
    assert camera.camera_of(frame(), MOUNTED) is None
    assert camera.fixed_transform('base_link', 'camera') is None


def test_odometry_of_the_camera_is_carried_over_to_the_base():
    message = Odometry(header=Header(frame_id='odom'), child_frame_id='camera')
    message.pose.pose.orientation.w = 1.0
    with live.observer() as watch:
        context = NodeContext(watch.node, lambda: 'active')
        diagnostics = DiagnosticsPublisher(context, Monitor(), watch.node.get_clock())
        track = context.odometry.track
        track.add(message)
        assert track.pose_at(0, NodeConfig()) is None
        assert 'odom is of the frame camera' in diagnostics.facts().odometry_problem
        static = SimpleNamespace(transforms=[transform('base_link', 'camera', AHEAD)])
        context.camera._on_static(static)
        # The base is behind the camera, and below it: back along z, and down along y.
        np.testing.assert_allclose(
            track.pose_at(0, NodeConfig()).position, [0, AHEAD[2], -AHEAD[0]], atol=1e-9
        )
        assert diagnostics.facts().odometry_problem == ''


def camera_state(watch: live.Observer) -> str:
    status = watch.diagnostics.get('images')
    values = {} if status is None else {value.key: value.value for value in status.values}
    return values.get('camera', '')


def test_a_place_that_is_added_has_the_camera(tmp_path: Path):
    path = live.small_map(scenes.write_folder(tmp_path / 'images', 3), tmp_path / 'm.folmap')
    parameters = {'map': path, 'autostart': True, 'camera_mount': list(AHEAD)}
    with live.localizer(tmp_path / 'node.log', parameters), live.observer() as watch:
        watch.until(lambda: watch.status('node')[1] == 'active')
        watch.until(lambda: 'no camera_info on /camera_info' in camera_state(watch))
        infos = watch.publisher(CameraInfo, '/camera_info')
        images = watch.publisher(Image, '/image')
        infos.publish(info())
        known = 'calibrated, and its place on the robot is known'
        watch.until(lambda: camera_state(watch) == known or images.publish(picture()))
        added = watch.call(AddPlace, 'add_place', AddPlace.Request(image=picture()))
        other = watch.call(AddPlace, 'add_place', AddPlace.Request(image=picture(frame_id='rear')))
        assert (added.result, other.result) == (AddPlace.Response.OK,) * 2
        with MapReader(path) as reader:
            cameras = {place.place_id: place.camera for place in reader.places}
        assert cameras[other.place_id] is None
        stored = cameras[added.place_id]
        np.testing.assert_array_equal(stored.mount.position, AHEAD[:3])
        assert stored.matrix[0, 0] == 250


def test_a_mount_that_is_none_ends_the_node_at_its_start(tmp_path: Path):
    with live.localizer(tmp_path / 'node.log', {'camera_mount': [1.0, 2.0]}) as node:
        assert node.process.wait(live.PATIENCE) == 2
    assert 'camera_mount is 1 2, expected x y z' in (tmp_path / 'node.log').read_text()
