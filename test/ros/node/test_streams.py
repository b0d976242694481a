"""Bags played to the node by another process, over Fast DDS: nothing vanishes unaccounted for."""

from __future__ import annotations

import dataclasses
import json
import signal
import time
from pathlib import Path

import pytest
from helpers import live, scenes

from fol_vpr.config import RecognizerConfig, RetrievalConfig, VerificationConfig
from fol_vpr.ros.bags.client import message_class
from fol_vpr.ros.bags.player import IMAGE_TYPES, with_stamp
from fol_vpr.ros.messages.conversions import stamp_to_ns
from fol_vpr.sources import Bag, BagImages, ImageFolder
from fol_vpr.sources.bags.writing.from_images import write_bag_from_images

IMAGES = 20
RAW, COMPRESSED = '/camera/image', '/camera/image/compressed'


@pytest.fixture(scope='module')
def world(tmp_path_factory) -> dict[str, Path]:
    """A map, and bags with other views of its places."""
    folder = tmp_path_factory.mktemp('world')
    references = scenes.write_folder(folder / 'references', IMAGES)
    queries = scenes.write_folder(folder / 'queries', IMAGES, shift=6)
    for name, compressed in (('raw', False), ('jpeg', True)):
        write_bag_from_images(queries, folder / name, rate=15, compressed=compressed)
    return {
        'map': live.small_map(references, folder / 'map.folmap'),
        'raw': folder / 'raw',
        'jpeg': folder / 'jpeg',
    }


def remappings() -> list[str]:
    return ['-r', f'image:={RAW}', '-r', f'image/compressed:={COMPRESSED}']


def play(watch: live.Observer, *arguments: str | Path) -> dict:
    """The player's summary; the observer spins meanwhile."""
    process = live.fol_vpr('bag', 'play', *arguments, '--json')
    watch.until(lambda: process.poll() is not None, 4 * live.PATIENCE)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    return json.loads(output)


def offline(map_path: Path, source, config: RecognizerConfig):
    """What the PlaceRecognizer answers to the same images without ROS."""
    from fol_vpr.recognizer import PlaceRecognizer

    recognizer = PlaceRecognizer(config)
    recognizer.load_map(map_path)
    for _, frame in source.frames():
        yield recognizer.recognize(frame)
    recognizer.close()


def assert_same_answers(answers, recognitions) -> None:
    for answer, expected in zip(answers, recognitions, strict=True):
        assert stamp_to_ns(answer.header.stamp) == expected.stamp_ns
        assert [h.place_id for h in answer.hypotheses] == [
            h.place.place_id for h in expected.hypotheses
        ]
        for got, wanted in zip(answer.hypotheses, expected.hypotheses, strict=True):
            assert got.similarity == pytest.approx(wanted.similarity, abs=1e-6)
            assert got.match_score == pytest.approx(wanted.match_score, nan_ok=True)
            assert got.inliers == wanted.inliers
        assert answer.state == expected.state


QUICK_CONFIG = RecognizerConfig(
    live.NETWORK, RetrievalConfig(rerank=4), VerificationConfig(verify=1)
)


@pytest.mark.parametrize('kind', ['raw', 'jpeg'])
def test_replay_answers_every_image_as_offline(world, tmp_path, kind):
    """As fast as the player can: what the node is not ready for waits in the middleware."""
    parameters = {'map': world['map'], 'replay': True, 'autostart': True, 'replay_queue': 2}
    with live.observer() as watch, live.localizer(tmp_path / 'log', parameters, *remappings()):
        watch.until(lambda: watch.status('node')[1] == 'active')
        sent = play(watch, world[kind], '--rate', '0')
        assert sent['images'] == IMAGES
        watch.until(lambda: len(watch.answers) == IMAGES)
        watch.until(lambda: watch.count('answered') == IMAGES)
        assert [watch.count(key) for key in ('received', 'dropped', 'bad', 'lost')] == [
            IMAGES, 0, 0, 0
        ]  # fmt: skip
        assert_same_answers(
            watch.answers, offline(world['map'], BagImages(world[kind]), QUICK_CONFIG)
        )


def test_a_recording_of_the_answers_can_be_evaluated(world, tmp_path):
    from fol_vpr.database import MapReader
    from fol_vpr.evaluation.recording import read_recording

    parameters = {'map': world['map'], 'replay': True, 'autostart': True}
    recording = tmp_path / 'recording'
    record = ['bag', 'record', '/localizer/places', '/diagnostics', '--output', recording]
    with live.observer() as watch, live.localizer(tmp_path / 'log', parameters, *remappings()):
        watch.until(lambda: watch.status('node')[1] == 'active')
        recorder = live.fol_vpr(*record, '--json')
        watch.until(lambda: watch.node.count_subscribers('/localizer/places') == 2)
        in_step = ['--rate', '0', '--answers', '/localizer/places', '--in-flight', '2']
        played = play(watch, world['jpeg'], *in_step)
        assert (played['answered'], played['unanswered']) == (IMAGES, 0)
        recorder.send_signal(signal.SIGINT)
        output, errors = recorder.communicate(timeout=live.PATIENCE)
        assert recorder.returncode == 0, errors
        assert json.loads(output)['recorded']['/localizer/places'] == IMAGES
    with MapReader(world['map']) as reader:
        read = read_recording(recording, BagImages(world['jpeg']), reader.places, reader.info)
    assert [answer.index for answer in read.items] == list(range(IMAGES))
    assert read.unmatched == 0


class Camera:
    """A best-effort publisher of the test's own, which knows what it sent.

    The middleware reveals a lost message by the number of a later one from the same publisher.
    Images before the drive show that the node counts, and images after it reveal what was lost at
    its end. A player in another process cannot know when to stop.
    """

    def __init__(self, watch: live.Observer, bag: Path) -> None:
        self.watch = watch
        found = Bag(bag)
        topic = next(each for each in found.topics.values() if each.msgtype in IMAGE_TYPES)
        self.messages = list(found.read([topic.name]))
        self.publisher = watch.publisher(message_class(topic.msgtype), topic.name, reliable=False)
        self.stamps: list[int] = []

    def send(self, data: bytes, stamp_ns: int) -> None:
        self.publisher.publish(with_stamp(data, stamp_ns))
        self.stamps.append(stamp_ns)

    def accounted(self) -> bool:
        """Whether the node has received, or counts as lost, all that was sent."""
        counted = self.watch.count('received') + self.watch.count('lost')
        return counted == len(self.stamps)

    def send_until_accounted(self, data: bytes, stamp_ns: int) -> None:
        deadline = time.monotonic() + live.PATIENCE
        while not self.accounted():
            assert time.monotonic() < deadline, (len(self.stamps), self.watch.diagnostics)
            self.send(data, stamp_ns)
            stamp_ns += 1_000_000
            # The diagnostics come once a second.
            self.watch.until(self.accounted, 2.5, fail=False)

    def play(self) -> None:
        """Send the images of the bag in their own time."""
        first, last = self.messages[0], self.messages[-1]
        self.send_until_accounted(first.data, first.receive_ns - 60_000_000_000)
        started = time.monotonic()
        for message in self.messages:
            due = started + (message.receive_ns - first.receive_ns) / 1e9
            self.watch.spin(max(0.0, due - time.monotonic()))
            self.send(message.data, message.receive_ns)
        self.send_until_accounted(last.data, last.receive_ns + 1_000_000_000)


def play_live(watch: live.Observer, bag: Path) -> None:
    """Play a bag in its own time, and find every image of it answered or counted."""
    watch.until(lambda: watch.status('node')[1] == 'active')
    camera = Camera(watch, bag)
    camera.play()
    watch.until(lambda: watch.count('waiting') == 0)
    watch.until(lambda: len(watch.answers) == watch.count('answered'))
    dropped, bad, lost = (watch.count(key) for key in ('dropped', 'bad', 'lost'))
    assert bad == 0
    assert len(watch.answers) + dropped + lost == len(camera.stamps)
    answered = [stamp_to_ns(answer.header.stamp) for answer in watch.answers]
    assert answered == sorted(set(answered)) and set(answered) <= set(camera.stamps)


def test_live_every_image_is_answered_or_counted(world, tmp_path):
    """At 15 Hz, with a network that is too slow for it: the newest image wins."""
    parameters = {
        'map': world['map'],
        'autostart': True,
        'retrieval.rerank': 20,
        'verification.verify': 20,
    }
    with live.observer() as watch, live.localizer(tmp_path / 'log', parameters, *remappings()):
        play_live(watch, world['raw'])


def test_live_on_a_real_drive_with_its_own_stamps(data, tmp_path):
    """TUM fr1/desk: 307 images at their true times, about 15 a second, some 20 s."""
    desk = data / 'tum_fr1_desk'
    few = tmp_path / 'few'
    few.mkdir()
    for image in sorted((desk / 'rgb').iterdir())[::20]:
        (few / image.name).symlink_to(image)
    map_path = live.small_map(few, tmp_path / 'desk.folmap')
    write_bag_from_images(desk / 'rgb', tmp_path / 'bag', stamps_csv=desk / 'frames.csv')
    parameters = {'map': map_path, 'autostart': True}
    with live.observer() as watch, live.localizer(tmp_path / 'log', parameters, *remappings()):
        play_live(watch, tmp_path / 'bag')
        assert watch.count('received') > 150


def test_a_best_effort_publisher_is_named_in_replay(world, tmp_path):
    from sensor_msgs.msg import Image

    with live.observer() as watch:
        best_effort = live.QoSProfile(depth=1, reliability=live.ReliabilityPolicy.BEST_EFFORT)
        watch.node.create_publisher(Image, RAW, best_effort)
        parameters = {'replay': True, 'autostart': True}
        with live.localizer(tmp_path / 'log', parameters, *remappings()):
            watch.until(lambda: 'the QoS of /observer' in watch.status('images')[1])
            assert watch.status('images')[0] == 2
            watch.until(lambda: 'qos_overrides' in (tmp_path / 'log').read_text())


def test_the_debug_image_is_made_for_whom_it_may_concern(world, tmp_path):
    from sensor_msgs.msg import CompressedImage

    from fol_vpr.sources import decode_image

    parameters = {'map': world['map'], 'replay': True, 'autostart': True, 'debug_height': 120}
    with live.observer() as watch, live.localizer(tmp_path / 'log', parameters, *remappings()):
        pictures: list[CompressedImage] = []
        watch.node.create_subscription(
            CompressedImage, 'localizer/debug/match/compressed', pictures.append, 10
        )
        watch.until(lambda: watch.status('node')[1] == 'active')
        play(watch, world['jpeg'], '--rate', '0', '--start-offset', '1.1')
        watch.until(lambda: len(watch.answers) >= 3)
        watch.until(lambda: pictures)
        stamps = [answer.header.stamp for answer in watch.answers]
        assert pictures[-1].header.stamp in stamps
        height, width, _ = decode_image(pictures[-1]).shape
        # Both images with a gap, and state and scores below.
        assert width == 2 * 160 + 4 and 120 < height < 240


@pytest.mark.timeout(600)
def test_two_hundred_real_images_as_offline(data, tmp_path):
    """Day against day on the Gardens Point walk, 200 of 200."""
    walk = data / 'gardens_point'
    map_path = live.small_map(walk / 'day_right', tmp_path / 'walk.folmap')
    bag = tmp_path / 'bag'
    write_bag_from_images(walk / 'day_left', bag, rate=15)
    parameters = {'map': map_path, 'replay': True, 'autostart': True, 'retrieval.rerank': 2}
    with live.observer() as watch, live.localizer(tmp_path / 'log', parameters, *remappings()):
        watch.until(lambda: watch.status('node')[1] == 'active')
        play(watch, bag, '--rate', '0', '--answers', '/localizer/places')
        assert len(watch.answers) == len(ImageFolder(walk / 'day_left')) == 200
    config = dataclasses.replace(QUICK_CONFIG, retrieval=RetrievalConfig(rerank=2))
    assert_same_answers(watch.answers, offline(map_path, BagImages(bag), config))
