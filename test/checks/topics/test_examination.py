"""Findings on topics that no test publishes: from facts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from helpers.doctor.findings import by_key, problems

from fol_vpr.checks.topics.examination import examine_topics
from fol_vpr.checks.topics.facts import (
    CameraFacts,
    ClockFacts,
    FrameFacts,
    GraphFacts,
    ImageFacts,
    LocalizerFacts,
    OdometryFacts,
    StreamFacts,
    TopicReport,
)
from fol_vpr.checks.topics.names import listed, similar_names
from fol_vpr.checks.topics.stamps import StampFacts, stamp_problem
from fol_vpr.datatypes import Pose

RAW = 'sensor_msgs/msg/Image'
AHEAD = (-0.5, 0.5, -0.5, 0.5)
CAMERA = 'camera_optical_frame'


def report(name: str, kind: str, *publishers: str) -> TopicReport:
    return TopicReport(name, kind, publishers)


def pose(turned=AHEAD, at=(0.2, 0.0, 1.3)) -> Pose:
    return Pose(np.array(at), np.array(turned))


SOUND = GraphFacts(
    seconds=5.0,
    nodes=['/driver'],
    topics={'/image': (RAW,)},
    localizers=[LocalizerFacts('/localizer', 'active')],
    clock=ClockFacts(),
    images=ImageFacts(
        [report('/image', RAW, '/driver')],
        StreamFacts('/image', 50, 10.0, 0, StampFacts(-0.05), 0.05, CAMERA, (CAMERA,)),
        (640, 480),
        'rgb8',
    ),
    camera=CameraFacts(report('/camera_info', 'x')),
    odometry=OdometryFacts(
        report('/odom', 'x', '/wheels'),
        StreamFacts('/odom', 250, 50.0, 0, StampFacts(-0.01), 0.01, 'odom', ('odom',)),
        'base_link',
    ),
    frames=FrameFacts(static={CAMERA: ('base_link', pose())}),
)
NO_CALIBRATION = {'camera.missing'}


def changed(**parts) -> GraphFacts:
    """The sound facts with some fields of their parts replaced."""
    return dataclasses.replace(
        SOUND,
        **{
            name: dataclasses.replace(getattr(SOUND, name), **values)
            if isinstance(values, dict) and name != 'topics'
            else values
            for name, values in parts.items()
        },
    )


def mounted(*turned: float) -> GraphFacts:
    """A camera with this orientation on the robot."""
    return changed(frames={'static': {CAMERA: ('base_link', pose(turned))}})


def test_sound_facts():
    found = by_key(examine_topics(SOUND))
    assert problems(found.values()) == NO_CALIBRATION
    mount = found['frames.mount'].seen
    assert mount.startswith(f'{CAMERA}: 0.20 m ahead, 0.00 m left, 1.30 m up of base_link, looks')
    assert mount.endswith('looks ahead (/tf_static)')


@pytest.mark.parametrize(
    ('facts', 'expected'),
    [
        (mounted(0, 0, 0, 1), {'frames.not_optical'}),
        (mounted(0.5, 0.5, 0.5, 0.5), {'frames.upside_down'}),
        (changed(frames={'static': {}, 'mount': pose()}), set()),
        (changed(frames={'static': {}, 'mount': pose((0, 0, 0, 1))}), {'frames.not_optical'}),
        (changed(frames={'base_frame': CAMERA}), {'frames.optical_base'}),
        (changed(frames={'static': {}, 'known': False}), set()),
        (changed(frames={'parents': {'odom': ('map', 'world')}}), {'frames.two_parents'}),
        (changed(frames={'publish_tf': True, 'moving': {'odom': ('map', pose())}},
                 localizers=[]), {'frames.map_to_odom'}),
        (changed(images={'stream': dataclasses.replace(SOUND.images.stream, lost=9)}),
         {'images.lost'}),
        (changed(images={'error': 'unknown encoding'}), {'images.decode'}),
        (changed(odometry={'report': report('/odom', 'x'), 'stream': None},
                 frames={'publish_tf': True}), {'odometry.missing'}),
        (changed(odometry={'report': report('/odom', 'x'), 'stream': None}), set()),
        (changed(odometry={'child_frame_id': ''}, frames={'publish_tf': True}),
         {'odometry.no_frame'}),
        (changed(odometry={'child_frame_id': 'imu'}), {'odometry.frame'}),
        (changed(odometry={'child_frame_id': CAMERA}), set()),
        (changed(odometry={'stream': dataclasses.replace(SOUND.odometry.stream, rate=2.0)}),
         {'odometry.slow'}),
        (changed(clock={'publishers': ['/a', '/b'], 'count': 9, 'use_sim_time': True,
                        'advanced': 1.0}), {'clock.several'}),
        (changed(localizers=[LocalizerFacts('/localizer', 'inactive')]), {'node.state'}),
        (changed(localizers=[LocalizerFacts('/localizer', problem='no answer')]),
         {'node.unanswered'}),
        (changed(localizers=[LocalizerFacts('/a', 'active'), LocalizerFacts('/a', 'active')]),
         {'node.twice'}),
        (changed(replay=True, images={'stream': dataclasses.replace(
            SOUND.images.stream, stamps=StampFacts(-1e6), delay=1e6)}), {'stamps.odometry'}),
    ],
)  # fmt: skip
def test_findings(facts, expected):
    assert problems(examine_topics(facts)) - NO_CALIBRATION == expected


@pytest.mark.parametrize(
    ('turned', 'said'),
    [
        ((-0.7071, 0, 0, 0.7071), 'looks left'),
        ((0, 0.7071, -0.7071, 0), 'looks right'),
        ((0.7071, -0.7071, 0, 0), 'looks down'),
        ((-0.6124, 0.6124, -0.3536, 0.3536), 'looks ahead, 30° down'),
    ],
)
def test_where_a_camera_looks(turned, said):
    found = by_key(examine_topics(mounted(*turned)))
    assert found['frames.mount'].seen.endswith(f'{said} (/tf_static)')


def test_what_a_camera_publishes_beside_the_topic_is_said():
    reports = [
        TopicReport('/image', RAW, problems=['video is published on /image/ffmpeg, but no PyAV'])
    ]
    found = by_key(examine_topics(changed(images={'reports': reports, 'stream': None})))
    assert 'no PyAV' in found['images.other_transport'].seen


def test_topics_of_other_transports_are_named_by_their_root():
    topics = {'/front/image_raw/compressed': ('sensor_msgs/msg/CompressedImage',)}
    facts = changed(images={'reports': [report('/image', RAW)], 'stream': None}, topics=topics)
    found = by_key(examine_topics(facts))['images.missing']
    assert found.command.endswith('image_topic:=/front/image_raw')


def test_which_of_several_nodes_is_examined():
    nodes = [LocalizerFacts('/a', 'active'), LocalizerFacts('/b', 'active')]
    facts = changed(localizers=nodes, examined='/b', frames={'base_frame': CAMERA})
    found = by_key(examine_topics(facts))
    assert found['node.several'].seen == '/b is examined, and not /a'
    assert found['frames.optical_base'].command.startswith('ros2 param set /b ')


def test_names():
    names = ['/front/image_raw', '/rear/image_raw', '/map']
    assert similar_names('/frnt/image_raw', names)[0] == '/front/image_raw'
    assert similar_names('/x/y/z/image_raw', names) == ['/rear/image_raw', '/front/image_raw']
    assert similar_names('/scan', names) == []
    assert listed([str(i) for i in range(10)]).endswith('7 and 2 more')


def test_the_gravest_problem_of_stamps_comes_first():
    assert stamp_problem(StampFacts(0.0), 0.5) is None
    assert stamp_problem(StampFacts(-1e9, unstamped=True, repeated=True), 0.5).name == 'zero'
    assert stamp_problem(StampFacts(-1e9, last_jump=1.0), 0.5).name == 'backwards'
    assert stamp_problem(StampFacts(-1e9, since_boot=-0.1), 0.5).name == 'since_boot'
    assert stamp_problem(StampFacts(-1e9, since_boot=99.0), 0.5).name == 'old'
    assert stamp_problem(StampFacts(-1e9), 0.5, compare=False) is None
    # A machine that has just started: the two clocks are told apart by the age.
    assert stamp_problem(StampFacts(-0.1, since_boot=-0.1), 0.5) is None
