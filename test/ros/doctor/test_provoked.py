"""Each finding on topics, from a robot that really publishes so over DDS."""

from __future__ import annotations

import json
import time

import pytest
from helpers import live
from helpers.doctor.robot import AHEAD, Robot
from sensor_msgs.msg import Image, Imu

from fol_vpr.checks import Finding
from fol_vpr.checks.topics.examination import examine_topics
from fol_vpr.errors import InputError
from fol_vpr.ros.doctor import gathering
from fol_vpr.ros.doctor.gathering import Gathered, gather
from fol_vpr.ros.doctor.target import Wishes

PATIENCE = 4
K = [300.0, 0.0, 160.0, 0.0, 300.0, 120.0, 0.0, 0.0, 1.0]


@pytest.fixture(autouse=True)
def _quick_discovery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, 'DISCOVERY', 0.3)


def examined(*wanted: str, seconds: float = 0.7, **wishes) -> tuple[dict[str, Finding], Gathered]:
    """Findings by key, and what was gathered.

    Args:
        wanted: keys that have to be found; a machine under load takes its time to discover
            publishers, and the examination is then repeated.
        seconds: to listen for.
        wishes: see `Wishes`.
    """
    for _ in range(PATIENCE):
        results: list[Gathered] = []
        gather(Wishes(seconds=seconds, **wishes), results.append)
        found = {finding.key: finding for finding in examine_topics(results[0].facts)}
        if set(wanted) <= found.keys():
            return found, results[0]
        seconds *= 2
    raise AssertionError(f'{set(wanted) - found.keys()} not among {found}')


def problems(found: dict[str, Finding]) -> set[str]:
    return {key for key, finding in found.items() if finding.is_problem}


def test_a_sound_robot_has_no_problems():
    with Robot() as robot:
        robot.camera()
        robot.camera_info(height=240, width=320, k=K)
        robot.odometry()
        found, gathered = examined(
            'images.rate', 'camera.calibration', 'odometry.rate',
            values={'camera_mount': (0.2, 0.0, 1.3, *AHEAD)},
        )  # fmt: skip
    assert problems(found) == set()
    assert gathered.image is not None
    height, width = gathered.image.shape[:2]
    assert gathered.facts.images.size == (width, height)
    assert gathered.facts.images.stream.count > 1
    assert found['images.rate'].seen.endswith(f'on /image, {width}x{height} rgb8')
    assert 'ms from stamp to arrival' in found['stamps.delay'].seen
    assert found['odometry.rate'].seen.endswith('on /odom')


def test_a_wrong_name_of_a_topic_and_the_right_ones():
    with Robot() as robot:
        robot.camera('/front/image_raw')
        robot.camera_info('/front/camera_info')
        robot.every(Imu, '/imu', Imu, 10)
        for _ in range(PATIENCE):
            found, _ = examined('images.missing', image_topic='/frnt/image_raw')
            if found['images.missing'].command:
                break
    missing = found['images.missing']
    assert missing.seen == 'nobody publishes on /frnt/image_raw; images are on /front/image_raw'
    assert missing.remedy.startswith('is /front/image_raw meant?')
    assert missing.command.endswith('image_topic:=/front/image_raw')
    assert '/front/camera_info' in found['camera.missing'].remedy


def test_quality_of_service_that_does_not_fit():
    with Robot() as robot:
        robot.camera(reliable=False)
        found, gathered = examined('images.qos', 'images.rate', values={'replay': True})
        assert 'RELIABLE' in found['images.qos'].seen.upper()
        assert '/driver' in found['images.qos'].seen
        # The doctor itself listens to anybody.
        assert gathered.facts.images.stream.count
        override = {'qos_overrides./image.subscription.durability': 'transient_local'}
        found, _ = examined('images.qos', values=override)
        assert 'VOLATILE' in found['images.qos'].seen.upper()
        with pytest.raises(InputError, match=r'durability is .*transient'):
            examined(values={'qos_overrides./image.subscription.durability': 'forever'})


def test_a_topic_of_another_type():
    with Robot() as robot:
        robot.every(Imu, '/image', Imu, 10)
        found, _ = examined('images.type')
    assert 'publishes sensor_msgs/msg/Imu on /image' in found['images.type'].seen


def test_simulated_time_without_a_clock_and_a_clock_without_simulated_time():
    with Robot() as robot:
        robot.camera()
        found, _ = examined('images.rate', values={'use_sim_time': True})
        assert found['clock.missing'].severity.value == 'error'
        assert 'stamps.old' not in found
        robot.clock()
        examined('clock.unused')
        # Images of the system's time beside a simulated clock.
        found, _ = examined('clock.source', 'stamps.future', values={'use_sim_time': True})
        assert 'clock.missing' not in found


def test_a_clock_that_stands():
    with Robot() as robot:
        robot.clock(stands=True)
        examined('clock.stands', values={'use_sim_time': True})


def _since_boot() -> tuple[int, int]:
    return divmod(time.clock_gettime_ns(time.CLOCK_BOOTTIME), 10**9)


@pytest.mark.parametrize(
    ('camera', 'key'),
    [
        ({'offset': -3600.0}, 'stamps.old'),
        ({'offset': 5.0}, 'stamps.future'),
        ({'offset': -2.0}, 'stamps.late'),
        ({'stamp': lambda: (0, 0)}, 'stamps.zero'),
        ({'stamp': lambda: (time.time_ns() // 10**9 // 100 * 100, 0)}, 'stamps.repeated'),
        ({'stamp': lambda: (int(time.time()) - time.time_ns() // 10**8 % 10, 0)},
         'stamps.backwards'),
        ({'stamp': _since_boot}, 'stamps.since_boot'),
    ],
)  # fmt: skip
def test_stamps_of_another_clock(camera, key):
    with Robot() as robot:
        robot.camera(**camera)
        found, _ = examined(key)
    assert [each for each in found if each.startswith('stamps.')] == [key]


def test_odometry_of_another_clock_and_frame():
    with Robot() as robot:
        robot.camera()
        robot.odometry('wheel_link', offset=-3.0)
        found, _ = examined('stamps.odometry')
    assert '3.0' in found['stamps.odometry'].seen


def test_an_optical_frame_as_base():
    with Robot() as robot:
        robot.camera(frame_id='camera_optical_frame')
        found, _ = examined('images.rate', values={'base_frame': 'camera_optical_frame'})
        assert found['frames.optical_base'].severity.value == 'error'
        found, _ = examined('images.rate', values={'base_frame': 'camera_link'})
        assert 'frames.optical_base' not in found


def test_images_without_a_frame_and_with_several():
    with Robot() as robot:
        robot.camera(frame_id='')
        examined('frames.no_camera_frame')
        robot.camera(frame_id='rear')
        examined('frames.several_camera_frames', 'images.several_publishers')


def test_a_camera_without_a_calibration():
    with Robot() as robot:
        robot.camera()
        robot.camera_info()
        found, _ = examined('camera.uncalibrated')
        assert 'K is zero' in found['camera.uncalibrated'].seen


def test_a_calibration_of_other_images():
    with Robot() as robot:
        robot.camera()
        robot.camera_info(height=1, width=2, k=K)
        found, _ = examined('camera.mismatch', 'images.rate')
    assert 'the calibration is for 2x1 pixels' in found['camera.mismatch'].seen


def test_a_camera_that_is_silent():
    with Robot() as robot:
        robot.node.create_publisher(Image, '/image', 1)
        found, _ = examined('images.silent')
    assert '/driver' in found['images.silent'].seen


def test_a_tree_of_frames():
    pytest.importorskip('tf2_msgs.msg')
    with Robot() as robot:
        robot.camera()
        robot.transform('base_link', 'camera_link', (0.0, 0.0, 0.0, 1.0))
        found, _ = examined('frames.not_connected')
        assert 'camera_optical_frame is in no transform' in found['frames.not_connected'].seen
        robot.transform('camera_link', 'camera_optical_frame', AHEAD, moving=True)
        examined('frames.moving_camera')
        robot.transform('camera_link', 'camera_optical_frame', AHEAD)
        found, _ = examined('frames.mount')
        assert 'looks ahead' in found['frames.mount'].seen
        found, _ = examined('frames.not_connected', values={'base_frame': 'base_lnk'})
        assert (
            'is base_link or camera_link meant by base_lnk?'
            in found['frames.not_connected'].remedy
        )
        robot.transform('camera_link', 'camera_optical_frame', (0.0, 0.0, 0.0, 1.0))
        examined('frames.not_optical')


def test_the_command_itself():
    with Robot() as robot:
        robot.camera('/front/image')
        words = [
            'doctor',
            '--json',
            '--no-trial',
            '--seconds',
            '2',
            '--image-topic',
            '/frnt/image',
        ]
        for _ in range(PATIENCE):
            process = live.fol_vpr(*words)
            out, err = process.communicate()
            report = json.loads(out)
            if '/front/image' in report['facts']['graph']['topics']:
                break
    assert process.returncode == report['exit_code'] == 1, err
    assert report['first'][0] == 'images.missing'
    assert report['facts']['graph']['images']['reports'][0]['name'] == '/frnt/image'
