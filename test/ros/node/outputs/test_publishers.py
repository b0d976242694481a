"""What is published while LOCALIZED, a state that random weights never reach."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
from geographic_msgs.msg import GeoPoseStamped
from geometry_msgs.msg import PoseWithCovarianceStamped
from helpers import live, scenes
from nav_msgs.msg import Odometry
from rclpy.lifecycle import LifecycleNode
from visualization_msgs.msg import MarkerArray

from fol_vpr.config import MappingConfig, NodeConfig, RecognizerConfig
from fol_vpr.datatypes import (
    LocalizationState,
    LoopClosure,
    Pose,
    PoseSource,
    Recognition,
    Verification,
)
from fol_vpr.mapping import build_map
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.ros.messages.conversions import stamp_to_ns, time_from_ns
from fol_vpr.ros.node.inputs.odometry import OdometryInput
from fol_vpr.ros.node.outputs.publishers import Publishers
from fol_vpr.ros.node.parameters.settings import Settings
from fol_vpr.sources import ImageFolder
from fol_vpr_msgs.msg import LoopClosureCandidateArray, PlaceHypothesisArray

STAMP = 1_305_031_452_791_720_001
TOPICS = {
    'places': PlaceHypothesisArray,
    'loop_closures': LoopClosureCandidateArray,
    'pose': PoseWithCovarianceStamped,
    'geopose': GeoPoseStamped,
    'markers': MarkerArray,
}


@pytest.fixture(scope='module')
def recognizer(tmp_path_factory):
    """With a map whose places have poses and geodetic positions."""
    folder = tmp_path_factory.mktemp('posed')
    images = scenes.write_folder(folder / 'images', 3)
    rows = [f'view{i:03d}.jpg,{10 * i},5,0,0,0,0,1,-27.{i},153.0,4.0' for i in range(3)]
    csv = folder / 'positions.csv'
    csv.write_text('\n'.join(['file,x,y,z,qx,qy,qz,qw,latitude,longitude,altitude', *rows]))
    recognizer = PlaceRecognizer(RecognizerConfig(network=live.NETWORK))
    source = ImageFolder(images, csv)
    build_map(source, folder / 'm.folmap', recognizer.extractor, MappingConfig())
    recognizer.load_map(folder / 'm.folmap')
    yield recognizer
    recognizer.close()


@pytest.fixture
def publish(recognizer):
    """Publishes a real answer as if its state were another; what arrived, by topic."""
    with live.observer() as watch:
        received = defaultdict(list)
        for name, kind in TOPICS.items():
            watch.node.create_subscription(kind, f'publisher/{name}', received[name].append, 10)
        node = LifecycleNode('publisher')
        watch.executor.add_node(node)
        node.trigger_configure()

        def run(state: LocalizationState, settings: NodeConfig, closures=(), **changes):
            odometry = OdometryInput(node)
            odometry.subscribe()
            publishers = Publishers(node, Settings(node=settings), odometry.track)
            node.trigger_activate()
            watch.until(lambda: publishers._places.get_subscription_count())
            watch.spin(0.5)
            frame = dataclasses.replace(scenes.frames(2)[1], stamp_ns=STAMP)
            answer = recognizer.recognize(frame)
            answer = dataclasses.replace(answer, state=state, loop_closures=closures, **changes)
            if state == LocalizationState.LOCALIZED:
                answer = dataclasses.replace(answer, believed=answer.hypotheses[0])
            if settings.publish_tf:
                watch.until(lambda: publishers._transforms._track._messages)
            model_id = recognizer.extractor.model_id
            publishers.publish_answer(answer, model_id, Settings(node=settings), 0.25, 0.5)
            publishers.publish_visualization(frame, answer, recognizer, Settings(node=settings))
            watch.until(lambda: received['places'] and len(received['markers']) == 2)
            watch.spin(0.5)
            run.tf_problem = publishers.tf_problem
            publishers.close()
            odometry.unsubscribe()
            return received

        run.watch = watch
        yield run
        watch.executor.remove_node(node)
        node.destroy_node()


def closure(answer_stamp: int) -> LoopClosure:
    return LoopClosure(
        1, 'live', 'images', answer_stamp, 7, 'camera', '', 0.9, math.nan,
        Verification.GEOMETRY, 90, 60,
    )  # fmt: skip


def test_a_localized_image_gives_a_pose_with_its_own_stamp(publish):
    settings = NodeConfig(position_stddev=3.0)
    received = publish(LocalizationState.LOCALIZED, settings, (closure(STAMP),))
    (pose,), (geopose,), (closures,) = (
        received['pose'],
        received['geopose'],
        received['loop_closures'],
    )
    for message in (pose, geopose, closures, received['places'][0]):
        assert stamp_to_ns(message.header.stamp) == STAMP
    assert pose.header.frame_id == 'map'
    assert (pose.pose.pose.position.x, pose.pose.pose.position.y) == (10.0, 5.0)
    assert pose.pose.covariance[0] >= 9.0
    assert geopose.pose.position.latitude == pytest.approx(-27.1)
    assert closures.header.frame_id == 'camera'
    assert received['places'][0].processing_time.nanosec == 250_000_000
    assert received['places'][0].waiting_time.nanosec == 500_000_000
    assert [len(markers.markers) > 0 for markers in received['markers']] == [True, True]


def test_a_measured_pose_has_the_uncertainty_that_was_measured(publish, recognizer):
    found = recognizer.recognize(scenes.frames(2)[1]).hypotheses[0]
    measured = Pose(np.array([1.0, 2.0, 0.0]), scenes.IDENTITY, 0.01 * np.eye(6))
    refined = dataclasses.replace(found, pose=measured, pose_source=PoseSource.REFINED)
    received = publish(LocalizationState.LOCALIZED, NodeConfig(), hypotheses=(refined,))
    (pose,) = received['pose']
    assert pose.pose.pose.position.x == 1.0
    np.testing.assert_allclose(np.reshape(pose.pose.covariance, (6, 6)), 0.01 * np.eye(6))


@pytest.mark.parametrize(
    'state',
    [LocalizationState.UNKNOWN, LocalizationState.NOT_IN_MAP, LocalizationState.AMBIGUOUS],
)
def test_in_any_other_state_no_pose_is_published(publish, state):
    received = publish(state, NodeConfig())
    assert received['places'][0].state == state
    assert not received['pose'] and not received['geopose'] and not received['loop_closures']


@pytest.mark.parametrize(('map_frame', 'expected'), [('', 'map'), ('site', 'site')])
def test_map_info_has_the_frame_of_the_answers(recognizer, map_frame, expected):
    with live.observer() as watch:
        node = LifecycleNode('localizer')
        settings = Settings(node=NodeConfig(map_frame=map_frame))
        publishers = Publishers(node, settings, OdometryInput(node).track)
        publishers.publish_map(recognizer, settings)
        (received,) = watch.until(lambda: watch.maps)
        assert (received.frame_id, received.map_id) == (expected, recognizer.map_info.map_id)
        publishers.close()
        node.destroy_node()


def test_the_map_frame_can_be_named(publish):
    received = publish(LocalizationState.LOCALIZED, NodeConfig(map_frame='site'))
    assert received['places'][0].header.frame_id == received['pose'][0].header.frame_id == 'site'


@pytest.fixture
def broadcast(publish, monkeypatch):
    """Publishes with `publish_tf`, and gives the transforms.

    tf2_ros comes only with a ROS installation: a stand-in replaces its broadcaster.
    """
    transforms = []

    class TransformBroadcaster:
        def __init__(self, node) -> None:
            pass

        pub_tf = None
        sendTransform = staticmethod(transforms.append)  # noqa: N815

    stand_in = SimpleNamespace(TransformBroadcaster=TransformBroadcaster)
    monkeypatch.setitem(sys.modules, 'tf2_ros', stand_in)

    def run(base: str = 'base_link', **changes) -> list:
        message = Odometry(child_frame_id=base)
        message.header.frame_id = 'odom'
        message.header.stamp = time_from_ns(STAMP)
        message.pose.pose.position.x = 4.0
        talker = publish.watch.node.create_publisher(Odometry, 'odom', 10)
        timer = publish.watch.node.create_timer(0.05, lambda: talker.publish(message))
        publish(LocalizationState.LOCALIZED, NodeConfig(publish_tf=True), **changes)
        timer.cancel()
        return transforms

    return run


@pytest.mark.parametrize(('base', 'sent'), [('base_link', 1), ('chassis', 0)])
def test_map_to_odom_is_published_through_tf2(publish, broadcast, base, sent):
    transforms = broadcast(base)
    assert len(transforms) == sent
    assert ('base_frame' in publish.tf_problem) == (not sent)
    for transform in transforms:
        assert stamp_to_ns(transform.header.stamp) == STAMP
        assert transform.transform.translation.x == pytest.approx(6.0)


def test_map_to_odom_uses_the_measured_pose(broadcast, recognizer):
    """And not by that of the map image, which is 10 m along x."""
    found = recognizer.recognize(scenes.frames(2)[1]).hypotheses[0]
    measured = Pose(np.array([11.5, 5.0, 0.0]), scenes.IDENTITY, 0.01 * np.eye(6))
    refined = dataclasses.replace(found, pose=measured, pose_source=PoseSource.REFINED)
    (transform,) = broadcast(hypotheses=(refined,))
    assert transform.transform.translation.x == pytest.approx(7.5)


def test_an_answer_without_hypotheses_is_published(publish, recognizer):
    received = publish(LocalizationState.UNKNOWN, NodeConfig(), hypotheses=())
    assert received['places'][0].hypotheses == []
    assert isinstance(recognizer.recognize(scenes.frames(1)[0]), Recognition)
