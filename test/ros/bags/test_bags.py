"""Playing and recording bags over real topics, each in a process of its own."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path

import pytest
from helpers import live, scenes
from helpers.bags import ros1_bags

from fol_vpr.config import PlayerConfig
from fol_vpr.ros.bags.client import not_played_message
from fol_vpr.ros.bags.player import _qos, with_stamp
from fol_vpr.ros.bags.recorder import _field_types
from fol_vpr.sources import Bag, Topic, deserialize
from fol_vpr.sources.bags.writing.from_images import write_bag_from_images

IMAGES = 12
RAW = '/camera/image'


@pytest.fixture(scope='module')
def bag(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('bags')
    images = scenes.write_folder(folder / 'images', IMAGES)
    poses = folder / 'poses.csv'
    rows = [f'{1 + i / 20},{i},0,0,0,0,0,1' for i in range(20)]
    poses.write_text('\n'.join(['timestamp,x,y,z,qx,qy,qz,qw', *rows]))
    write_bag_from_images(images, folder / 'bag', rate=20, compressed=False, poses_csv=poses)
    return folder / 'bag'


def test_a_camera_mount_that_cannot_be_played_can_be_given_as_a_parameter():
    assert 'camera_mount:=' in not_played_message('/tf_static', 'tf2_msgs/msg/TFMessage')
    other = not_played_message('/scan', 'my_msgs/msg/Scan')
    assert other == '/scan is not played: my_msgs/msg/Scan is not installed here'


def finish(process) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=2 * live.PATIENCE)
    return process.returncode, output, errors


def test_a_part_is_played_with_the_times_of_reception(bag, tmp_path):
    copy = tmp_path / 'copy'
    recorder = live.fol_vpr('bag', 'record', '/moved', '--output', copy, '--idle', 2)
    player = live.fol_vpr(
        'bag', 'play', bag, '--topics', RAW, '--remap', f'{RAW}:=/moved', '--stamps', 'reception',
        '--from', 0.1, '--to', 0.3, '--json',
    )  # fmt: skip
    status, output, errors = finish(player)
    assert status == 0, errors
    sent = json.loads(output)['sent']['/moved']
    status, _, errors = finish(recorder)
    assert status == 0, errors
    received = [message.receive_ns for message in Bag(bag).read([RAW])]
    part = [ns for ns in received if 10**8 <= ns - received[0] <= 3 * 10**8]
    stamps = [deserialize(message).header.stamp for message in Bag(copy).read(['/moved'])]
    assert [stamp.sec * 10**9 + stamp.nanosec for stamp in stamps] == part
    assert sent == len(part)


def test_a_part_is_played_with_the_camera_info_that_was_sent_once(tmp_path):
    from helpers.source_files import SECOND, camera_info, compressed, encode, picture
    from helpers.source_files import bag as written

    images = [compressed(n * SECOND // 10, encode(picture(n))) for n in range(2, 9)]
    path = written(tmp_path / 'drive', [camera_info(SECOND // 10), *images])
    copy, topics = tmp_path / 'copy', ('/camera_info', '/camera/compressed')
    recorder = live.fol_vpr('bag', 'record', *topics, '--output', copy, '--idle', 2)
    player = live.fol_vpr('bag', 'play', path, '--from', 0.3, '--json')
    status, output, errors = finish(player)
    assert status == 0, errors
    assert json.loads(output)['sent'] == {'/camera_info': 1, '/camera/compressed': 5}
    status, _, errors = finish(recorder)
    assert status == 0, errors


def test_a_stamp_is_written_into_serialised_messages_of_either_byte_order():
    time_ns = 1_700_000_000_123_456_789
    for first in (b'\0\1\0\0', b'\0\0\0\0'):
        changed = with_stamp(first + bytes(8) + b'rest', time_ns)
        order = '<' if first[1] else '>'
        assert changed == first + struct.pack(f'{order}iI', 1_700_000_000, 123_456_789) + b'rest'
    assert with_stamp(b'short', time_ns) == b'short'


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_what_is_played_is_what_is_recorded(bag, tmp_path, storage):
    copy = tmp_path / 'copy'
    recorder = live.fol_vpr(
        'bag', 'record', '/moved', '/pose', '--output', copy, '--idle', 2, '--storage', storage,
        '--json',
    )  # fmt: skip
    player = live.fol_vpr('bag', 'play', bag, '--remap', f'{RAW}:=/moved', '--json')
    status, output, errors = finish(player)
    assert status == 0, errors
    sent = json.loads(output)['sent']
    status, output, errors = finish(recorder)
    assert status == 0, errors
    recorded = json.loads(output)['recorded']
    # The recorder joins each topic when it appears; the images were waited for.
    assert sent['/moved'] == recorded['/moved'] == IMAGES
    original, again = Bag(bag), Bag(copy)
    assert again.topics['/moved'].msgtype == 'sensor_msgs/msg/Image'
    assert [m.data for m in again.read(['/moved'])] == [m.data for m in original.read([RAW])]


def test_a_bag_of_ros_1_is_played(tmp_path):
    sent = [
        message
        for place in range(3)
        for message in (
            ros1_bags.pose_stamped((place + 1) * ros1_bags.SECOND, place),
            ros1_bags.compressed((place + 1) * ros1_bags.SECOND, b'picture'),
        )
    ]
    original = ros1_bags.ros1_bag(tmp_path / 'drive.bag', sent)
    copy = tmp_path / 'copy'
    recorder = live.fol_vpr('bag', 'record', '/camera/compressed', '--output', copy, '--idle', 2)
    player = live.fol_vpr('bag', 'play', original, '--rate', 0, '--json')
    status, output, errors = finish(player)
    assert status == 0, errors
    assert json.loads(output)['sent'] == {'/camera/compressed': 3, '/pose': 3}
    assert finish(recorder)[0] == 0
    played = [deserialize(message) for message in Bag(copy).read(['/camera/compressed'])]
    assert [message.header.stamp.sec for message in played] == [1, 2, 3]
    assert bytes(played[0].data) == b'picture' and played[0].header.frame_id == 'camera'


def test_real_time_and_clock(bag):
    from rosgraph_msgs.msg import Clock
    from sensor_msgs.msg import Image

    with live.observer() as watch:
        times, images = [], []
        watch.node.create_subscription(Clock, '/clock', times.append, 100)
        watch.node.create_subscription(Image, RAW, images.append, 100)
        arguments = ['--topics', RAW, '--rate', '0.5', '--clock', '100', '--start-offset', '0.1']
        player = live.fol_vpr('bag', 'play', bag, *arguments, '--json')
        watch.until(lambda: player.poll() is not None)
        output, errors = player.communicate()
        assert player.returncode == 0, errors
        summary = json.loads(output)
        assert list(summary['sent']) == [RAW]
        # Every 50 ms from 1.0 s; what lies before 1.1 s is left out.
        assert summary['images'] == len(images) == IMAGES - 2
        assert images[0].header.stamp.nanosec == 100_000_000
        assert summary['seconds'] > 0.88
        seconds = [t.clock.sec + t.clock.nanosec / 1e9 for t in times]
        assert len(seconds) > IMAGES
        assert seconds == sorted(seconds)
        assert seconds[0] >= 1.0
        assert seconds[-1] == pytest.approx(1.55)


def test_nobody_listens(bag):
    status, _, errors = finish(live.fol_vpr('bag', 'play', bag, '--wait-for', '0.5'))
    assert status == 2
    assert f'nobody listened to {RAW}' in errors


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (['--topics', '/nothing'], 'has no topic /nothing'),
        (['--remap', '/nothing:=/x'], '/nothing'),
        (['--remap', 'a=b'], 'FROM:=TO'),
        (['--rate', '-1'], '--rate'),
    ],
)
def test_play_refuses_wrong_arguments(bag, arguments, text):
    status, _, errors = finish(live.fol_vpr('bag', 'play', bag, *arguments))
    assert status == 2
    assert text in errors and 'Traceback' not in errors


def test_record_does_not_overwrite_or_wait_for_ever(bag, tmp_path):
    status, _, errors = finish(live.fol_vpr('bag', 'record', '/x', '--output', bag))
    assert status == 2 and 'exists already' in errors
    late = live.fol_vpr('bag', 'record', '/x', '--output', tmp_path / 'b', '--wait-for', '0.5')
    status, _, errors = finish(late)
    assert status == 2 and 'nobody published /x within 0.5 s' in errors
    assert not (tmp_path / 'b').exists()


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_a_full_disk_ends_a_recording_with_a_message(tmp_path, storage):
    from helpers.disk_limits import small_disk
    from std_msgs.msg import String

    with small_disk(tmp_path / 'small', 400_000), live.observer() as watch:
        talker = watch.node.create_publisher(String, '/talk', 10)
        recorder = live.fol_vpr(
            'bag', 'record', '/talk', '--output', tmp_path / 'small' / 'b', '--storage', storage
        )
        watch.until(talker.get_subscription_count)

        def ended() -> bool:
            talker.publish(String(data=50_000 * 'x'))
            return recorder.poll() is not None

        watch.until(ended)
        status, _, errors = finish(recorder)
    assert status == 2, errors
    assert 'cannot be written' in errors and 'Traceback' not in errors


def test_a_topic_that_never_ends_does_not_keep_a_recording_going(tmp_path):
    from std_msgs.msg import String

    with live.observer() as watch:
        steady, wanted = (
            watch.node.create_publisher(String, topic, 10) for topic in ('/steady', '/wanted')
        )
        recorder = live.fol_vpr(
            'bag', 'record', '/steady', '/wanted', '--output', tmp_path / 'b', '--idle', 1,
            '--idle-topic', 'wanted',
        )  # fmt: skip
        watch.until(lambda: steady.get_subscription_count() and wanted.get_subscription_count())
        watch.spin(0.5)
        wanted.publish(String(data='once'))

        def ended() -> bool:
            steady.publish(String(data='again'))
            return recorder.poll() is not None

        watch.until(ended)
        _, errors = finish(recorder)[1:]
    assert recorder.returncode == 0, errors
    recording = Bag(tmp_path / 'b')
    assert recording.topics['/wanted'].count == 1
    assert recording.topics['/steady'].count > 1


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (['--idle', 1, '--idle-topic', '/y'], 'one of the topics that are recorded: /x'),
        (['--idle-topic', '/x'], 'needs --idle'),
    ],
)
def test_an_idle_topic_that_means_nothing_is_refused(arguments, text, tmp_path):
    command = live.fol_vpr('bag', 'record', '/x', '--output', tmp_path / 'b', *arguments)
    status, _, errors = finish(command)
    assert status == 2 and text in errors
    assert not (tmp_path / 'b').exists()


def test_a_recording_that_is_interrupted_can_be_read(bag, tmp_path):
    import signal

    from std_msgs.msg import String

    with live.observer() as watch:
        talker = watch.node.create_publisher(String, '/talk', 10)
        recorder = live.fol_vpr('bag', 'record', '/talk', '--output', tmp_path / 'b')
        watch.until(talker.get_subscription_count)
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            talker.publish(String(data='here'))
            watch.spin(0.1)
        recorder.send_signal(signal.SIGINT)
        status, output, errors = finish(recorder)
        assert status == 0, errors
    recording = Bag(tmp_path / 'b')
    assert recording.topics['/talk'].count >= 10
    assert f'{recording.topics["/talk"].count} on /talk' in output


def test_a_camera_info_that_was_sent_once_is_kept_for_later_subscribers():
    from rclpy.qos import DurabilityPolicy

    kind = 'sensor_msgs/msg/CameraInfo'
    once, always = (_qos(Topic('/camera/camera_info', kind, n), PlayerConfig()) for n in (1, 9))
    assert once.durability == DurabilityPolicy.TRANSIENT_LOCAL
    assert always.durability != DurabilityPolicy.TRANSIENT_LOCAL


def test_a_message_that_was_sent_once_before_is_recorded_once(tmp_path):
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from sensor_msgs.msg import CameraInfo

    with live.observer() as watch:
        kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        latched = watch.node.create_publisher(CameraInfo, '/camera/camera_info', kept)
        latched.publish(CameraInfo(width=1))
        # A second publisher of the topic keeps nothing.
        volatile = watch.node.create_publisher(CameraInfo, '/camera/camera_info', 10)
        recorder = live.fol_vpr(
            'bag', 'record', '/camera/camera_info', '--output', tmp_path / 'b', '--idle', 2
        )
        watch.until(lambda: volatile.get_subscription_count() >= 1)
        watch.spin(1.0)
        volatile.publish(CameraInfo(width=2))
        latched.publish(CameraInfo(width=3))
        watch.until(lambda: recorder.poll() is not None)
        _, errors = recorder.communicate()
    assert recorder.returncode == 0, errors
    assert 'incompatible' not in errors
    found = [deserialize(message).width for message in Bag(tmp_path / 'b').read(
        ['/camera/camera_info'])]  # fmt: skip
    assert sorted(found) == [1, 2, 3]


def test_types_within_a_definition_are_found():
    text = """
    # comment Header
    uint8 CONSTANT=1
    std_msgs/Header header  # note
    Place[] places
    geometry_msgs/msg/Pose[<=3] poses
    string<=5 name
    float64[36] covariance
    """
    assert _field_types(text, 'own') == [
        'std_msgs/msg/Header',
        'own/msg/Place',
        'geometry_msgs/msg/Pose',
    ]
