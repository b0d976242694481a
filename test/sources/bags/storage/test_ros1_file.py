"""Bags of ROS 1, read as if they had been recorded with ROS 2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.bags.ros1_bags import (
    SECOND,
    Sent1,
    camera_info,
    compressed,
    header,
    noetic,
    pose_stamped,
    ros1_bag,
    transform,
    types,
)
from helpers.source_files import encode, picture
from rosbags.rosbag1 import Writer

from fol_vpr.errors import InputError
from fol_vpr.sources import Bag, deserialize, open_source


def drive(count: int = 4) -> list[Sent1]:
    messages = [transform(SECOND, 'base_link', 'camera', 0.3), camera_info(SECOND)]
    for place in range(count):
        stamp = (place + 1) * SECOND
        messages += [pose_stamped(stamp, place), compressed(stamp, encode(picture(place)))]
    return messages


@pytest.mark.parametrize('compression', ['', 'BZ2', 'LZ4'])
@pytest.mark.parametrize('kind', ['tf/msg', 'tf2_msgs/msg'])
def test_drive(tmp_path: Path, compression: str, kind: str) -> None:
    messages = [transform(SECOND, 'base_link', 'camera', 0.3, kind), *drive()[1:]]
    path = ros1_bag(tmp_path / 'monday.bag', messages, compression)
    source = open_source(path, pose_topic='/pose')
    frames = [frame for _, frame in source.frames()]
    assert len(source) == len(frames) == 4
    assert source.session_id == 'monday'
    assert [frame.stamp_ns for frame in frames] == [SECOND, 2 * SECOND, 3 * SECOND, 4 * SECOND]
    assert [frame.pose.position[0] for frame in frames if frame.pose] == [0, 1, 2, 3]
    camera = frames[0].camera
    assert camera is not None and camera.mount is not None
    assert camera.mount.position[0] == pytest.approx(0.3)
    assert source.warnings == []


def test_messages_become_those_of_ros_2(tmp_path: Path) -> None:
    fix = types('sensor_msgs/msg/NavSatFix')(
        header(SECOND, 'gps'), types('sensor_msgs/msg/NavSatStatus')(0, 1),
        48.1, 11.5, 520.0, np.arange(9.0), 2,
    )  # fmt: skip
    still = types('geometry_msgs/msg/Vector3')(0.1, 0.2, 0.3)
    twist = types('geometry_msgs/msg/TwistWithCovariance')(
        types('geometry_msgs/msg/Twist')(still, still), np.zeros(36)
    )
    posed = types('geometry_msgs/msg/PoseWithCovariance')(
        pose_stamped(0, 5.0).message.pose, np.arange(36.0)
    )
    odometry = types('nav_msgs/msg/Odometry')(header(SECOND, 'odom'), 'base_link', posed, twist)
    path = ros1_bag(
        tmp_path / 'a.bag',
        [
            camera_info(SECOND),
            Sent1('/fix', 'sensor_msgs/msg/NavSatFix', SECOND + 1, fix),
            Sent1('/odom', 'nav_msgs/msg/Odometry', SECOND + 2, odometry),
        ],
    )
    bag = Bag(path)
    info, read_fix, read_odometry = map(deserialize, bag.read(list(bag.topics)))
    assert info.k.tolist() == [40.0, 0.0, 23.5, 0.0, 41.0, 15.5, 0.0, 0.0, 1.0]
    assert info.d.tolist() == [-0.2, 0.05, 0.001, -0.001, 0.0]
    assert info.p[0] == 38.0 and info.r[0] == 1.0 and not hasattr(info.header, 'seq')
    assert (info.header.frame_id, info.header.stamp.sec) == ('camera', 1)
    assert (read_fix.latitude, read_fix.altitude) == (48.1, 520.0)
    assert read_fix.position_covariance.tolist() == list(range(9))
    assert read_fix.position_covariance_type == 2
    assert read_odometry.child_frame_id == 'base_link'
    assert read_odometry.pose.covariance.tolist() == list(range(36))
    assert read_odometry.twist.twist.linear.z == 0.3


def test_type_that_ros_2_does_not_have(tmp_path: Path) -> None:
    """It keeps its definition; the types that are read do not suffer from it."""
    path = tmp_path / 'a.bag'
    with Writer(path) as writer:
        connection = writer.add_connection(
            '/own', 'own_msgs/msg/Wheel', msgdef='uint32 ticks\nstring name', md5sum='0' * 32
        )
        writer.write(connection, SECOND, b'\x05\0\0\0' + b'\x04\0\0\0left')
    (message,) = Bag(path).read(['/own'])
    assert message.msgtype == 'own_msgs/msg/Wheel'
    assert message.data == b'\0\1\0\0' + b'\x05\0\0\0' + b'\x05\0\0\0left\0'


@pytest.mark.parametrize('definition', ['', '*', 'float64 ['])
def test_definition_that_cannot_be_parsed(tmp_path: Path, definition: str) -> None:
    path = tmp_path / 'a.bag'
    sent = [pose_stamped(SECOND, 4.0), transform(SECOND, 'base_link', 'camera', 0.3)]
    with Writer(path) as writer:
        for topic, msgtype, stamp, message in sent:
            connection = writer.add_connection(topic, msgtype, msgdef=definition, md5sum='0' * 32)
            known = msgtype.replace('tf/msg/tfMessage', 'tf2_msgs/msg/TFMessage')
            writer.write(connection, stamp, noetic().serialize_ros1(message, known))
    bag = Bag(path)
    pose, moved = (deserialize(each) for name in bag.topics for each in bag.read([name]))
    assert pose.pose.position.x == 4.0
    assert moved.transforms[0].transform.translation.x == 0.3


def test_message_that_is_damaged(tmp_path: Path) -> None:
    """It costs itself alone, as in a bag of ROS 2."""
    path, kind = tmp_path / 'a.bag', 'geometry_msgs/msg/PoseStamped'
    with Writer(path) as writer:
        connection = writer.add_connection('/pose', kind, typestore=noetic())
        for number in range(3):
            data = noetic().serialize_ros1(pose_stamped(SECOND, number).message, kind)
            writer.write(connection, number, data[:9] if number == 1 else data)
    first, damaged, last = Bag(path).read(['/pose'])
    assert [deserialize(each).pose.position.x for each in (first, last)] == [0, 2]
    with pytest.raises(InputError, match='message on /pose at 1 ns is damaged'):
        deserialize(damaged)


def test_recording_of_several_chunks_that_overlap(tmp_path: Path) -> None:
    """Times of reception run backwards over the border of two chunks."""
    order = [1, 2, 5, 3, 4, 6, 9, 8, 7]
    path = tmp_path / 'a.bag'
    writer = Writer(path)
    writer.chunk_threshold = 200
    with writer:
        kind = 'geometry_msgs/msg/PoseStamped'
        connection = writer.add_connection('/pose', kind, typestore=noetic())
        for place in order:
            sent = pose_stamped(place * SECOND, place)
            writer.write(connection, sent.receive_ns, noetic().serialize_ros1(sent.message, kind))
    bag = Bag(path)
    assert path.read_bytes().count(b'compression=none') > 2
    assert [deserialize(each).pose.position.x for each in bag.read(['/pose'])] == list(
        range(1, 10)
    )


def test_interrupted_recording(tmp_path: Path) -> None:
    path = ros1_bag(tmp_path / 'a.bag', drive())
    content = path.read_bytes()
    place = content.index(b'index_pos=') + 10
    path.write_bytes(content[:place] + bytes(8) + content[place + 8 :])
    with pytest.raises(InputError, match=r'has no index.*`rosbag reindex .*a\.bag`'):
        open_source(path)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r'is cut off.*copy or download.*`rosbag reindex'):
        open_source(path)
    path.write_bytes(content[:-20])
    with pytest.raises(InputError, match=r'cannot be read as a bag.*`rosbag reindex'):
        open_source(path)


def test_index_that_contradicts_the_chunks(tmp_path: Path) -> None:
    """Otherwise messages would be lost without a word."""
    path = ros1_bag(tmp_path / 'a.bag', drive())
    content = path.read_bytes()
    # The last record: numbers of connections, and of their messages in the chunk.
    for number, count, said in ((9, 4, 'connections that it'), (3, 1, 'what the index says')):
        ending = number.to_bytes(4, 'little') + count.to_bytes(4, 'little')
        path.write_bytes(content[:-8] + ending)
        with pytest.raises(InputError, match=said):
            list(Bag(path).read(['/camera/compressed', '/pose', '/tf_static']))


def test_bag_that_is_not_read(tmp_path: Path) -> None:
    path = ros1_bag(tmp_path / 'a.bag', drive())
    content = path.read_bytes()
    path.write_bytes(content.replace(b'#ROSBAG V2.0', b'#ROSBAG V1.2'))
    with pytest.raises(InputError, match=r'version that is not read .*V1\.2.*`rosbag fix`'):
        open_source(path)
    path.write_bytes(content.replace(b'compression=none', b'compression=zlib'))
    with pytest.raises(InputError, match=r"compressed with 'zlib'"):
        list(open_source(path).frames())


def test_folder_of_bags(tmp_path: Path) -> None:
    folder = tmp_path / 'split'
    folder.mkdir()
    for number in (10, 2):
        ros1_bag(folder / f'drive_{number}.bag', drive(1))
    with pytest.raises(InputError, match=r'folder of 2 ROS 1 bags.*give .*drive_2\.bag'):
        open_source(folder)
