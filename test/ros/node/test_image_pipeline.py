"""The path of an image through the node, without the lifecycle of the node."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from helpers import live, scenes
from helpers.bench import PARAMETERS, Bench, RecordingPublishers, bench, recognizer_with_map
from helpers.messages import covered_picture, picture
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo, Image

from fol_vpr.datatypes import Cause
from fol_vpr.errors import DeviceError, InputError
from fol_vpr.network import extractor
from fol_vpr.network.runtime import backend, torch_backend
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.ros.node import image_pipeline
from fol_vpr.ros.node.diagnostics.monitor import Monitor
from fol_vpr.ros.node.image_pipeline import ImagePipeline

PLACES = 3


@pytest.fixture(scope='module')
def recognizer(tmp_path_factory) -> Iterator[PlaceRecognizer]:
    with recognizer_with_map(tmp_path_factory.mktemp('pipeline'), PLACES) as made:
        yield made


class Piped:
    """A bench with an image pipeline."""

    def __init__(self, made: Bench, recognizer: PlaceRecognizer) -> None:
        self.watch, self.context, self.made = made.watch, made.context, made
        self.monitor, self.publishers = Monitor(), RecordingPublishers()
        self.results: list[tuple[object, float]] = []
        self.pipeline = ImagePipeline(
            made.node,
            recognizer=recognizer,
            publishers=self.publishers,
            settings=made.context.live_settings,
            decoder=made.context.decoder,
            camera=made.context.camera,
            odometry=made.context.odometry.track,
            monitor=self.monitor,
            on_result=lambda *result: self.results.append(result),
        )
        self.pipeline.subscribe()

    def counts(self) -> tuple[int, int, int, int]:
        """Received, answered, dropped, bad."""
        now = self.monitor.snapshot()
        return now.received, now.answered, now.dropped, now.bad


MODES = {
    'live': {'replay': False, 'overlap': 'always'},
    'replay': {'replay': True, 'overlap': 'always'},
    'live in turn': {'replay': False, 'overlap': 'auto'},
    'replay in turn': {'replay': True, 'overlap': 'never'},
}


@pytest.fixture(params=MODES)
def piped(request, recognizer) -> Iterator[Piped]:
    recognizer.reset_sequence()
    with bench(**MODES[request.param]) as made:
        piped = Piped(made, recognizer)
        yield piped
        piped.pipeline.unsubscribe()
        piped.pipeline.stop()


def test_an_image_is_recognized_published_counted_and_shown(piped):
    images = piped.watch.publisher(Image, '/image')
    images.publish(picture(2, stamp=77))
    piped.watch.until(lambda: piped.publishers.visualized)
    (answer,) = piped.publishers.answers
    assert answer.stamp_ns == 77 * 10**9
    assert answer.hypotheses[0].place.place_id.endswith('000002')
    assert answer.explanation.cause is Cause.FEW_IMAGES
    assert [result for result, _ in piped.results] == [answer] == piped.publishers.visualized
    assert piped.counts() == (1, 1, 0, 0)
    stages = set(piped.monitor.snapshot().latency)
    assert {'decode', 'resize', 'publish', 'processing', 'waiting', 'total'} < stages
    ((processing, waiting),) = piped.publishers.latencies
    assert processing > 0 and waiting >= 0
    (report,) = [r for r in piped.pipeline.topic_reports() if r.publishers]
    assert report.name == '/image' and '/observer' in report.publishers[0]


def test_a_bad_image_is_counted_and_the_next_one_is_answered(piped):
    images = piped.watch.publisher(Image, '/image')
    broken = picture(1)
    broken.encoding = 'rgb9'
    images.publish(broken)
    piped.watch.until(lambda: piped.monitor.snapshot().bad)
    assert 'rgb9' in piped.monitor.snapshot().last_bad
    images.publish(picture(1))
    piped.watch.until(lambda: piped.publishers.answers)


def test_a_defect_is_counted_and_logged_and_does_not_end_the_threads(piped, monkeypatch):
    def fail(*_args, **_options) -> None:
        raise ZeroDivisionError

    images = piped.watch.publisher(Image, '/image')
    with monkeypatch.context() as patched:
        patched.setattr(piped.pipeline._recognizer, 'recognize', fail)
        images.publish(picture(1))
        piped.watch.until(lambda: piped.monitor.snapshot().bad)
    assert 'defect: ZeroDivisionError' in piped.monitor.snapshot().last_bad
    images.publish(picture(1))
    piped.watch.until(lambda: piped.publishers.answers)


def test_camera_odometry_and_parameters_go_with_the_image(piped, monkeypatch):
    seen = []
    recognizer, recognize = piped.pipeline._recognizer, piped.pipeline._recognizer.recognize
    monkeypatch.setattr(
        recognizer, 'recognize', lambda frame, **o: seen.append(frame) or recognize(frame, **o)
    )
    piped.context.camera._on_info(
        CameraInfo(k=[250.0, 0.0, 159.5, 0.0, 250.0, 119.5, 0.0, 0.0, 1.0])
    )
    odometry = Odometry(child_frame_id='base_link')
    odometry.header.stamp.sec = 5
    odometry.pose.pose.orientation.w = 1.0
    odometry.pose.pose.position.x = 4.0
    piped.context.odometry.track.add(odometry)
    assert piped.made.set('retrieval.hypotheses', 1) == ''
    piped.watch.publisher(Image, '/image').publish(picture(1, stamp=5))
    piped.watch.until(lambda: piped.publishers.answers)
    assert seen[0].camera.matrix[0, 0] == 250 and seen[0].odometry.position[0] == 4
    assert len(piped.publishers.answers[0].hypotheses) == 1
    recognizer.set_config(piped.context.settings.changed({'retrieval.hypotheses': 10}).recognizer)


def test_features_of_the_next_image_are_extracted_beside_an_answer(piped, monkeypatch):
    """Which makes no difference to the answers, their order, or what is counted."""
    in_turn = piped.context.settings.node.overlap != 'always'
    recognizer, entered, held = piped.pipeline._recognizer, threading.Event(), threading.Event()
    extract, recognize = recognizer.extract, recognizer.recognize
    extracted: list[int] = []

    def counted(frame, *args):
        features = extract(frame, *args)
        if frame.stamp_ns not in extracted:
            extracted.append(frame.stamp_ns)
        return features

    def slowly(frame, **options):
        if frame.stamp_ns == 2 * 10**9:
            entered.set()
            assert held.wait(60)
        return recognize(frame, **options)

    monkeypatch.setattr(recognizer, 'extract', counted)
    monkeypatch.setattr(recognizer, 'recognize', slowly)
    images = piped.watch.publisher(Image, '/image')
    # The first answer shows how long one takes.
    images.publish(picture(1, stamp=1))
    piped.watch.until(lambda: piped.publishers.answers)
    images.publish(picture(2, stamp=2))
    piped.watch.until(entered.is_set)
    images.publish(picture(0, stamp=3))
    if in_turn:
        piped.watch.until(lambda: piped.counts()[0] == 3)
        piped.watch.spin(0.3)
        assert 3 * 10**9 not in extracted
    else:
        piped.watch.until(lambda: 3 * 10**9 in extracted)
    assert [answer.stamp_ns for answer in piped.publishers.answers] == [10**9]
    held.set()
    piped.watch.until(lambda: len(piped.publishers.answers) == 3)
    assert extracted == [10**9, 2 * 10**9, 3 * 10**9]
    assert [answer.stamp_ns for answer in piped.publishers.answers] == extracted
    best = [answer.hypotheses[0].place.place_id[-1] for answer in piped.publishers.answers]
    assert best == ['1', '2', '0']
    assert piped.counts() == (3, 3, 0, 0)
    assert 'forward' in piped.monitor.snapshot().latency


class Held:
    """Holds the answer to the image of one stamp, and notes of which images features are there."""

    def __init__(self, recognizer: PlaceRecognizer, stamp: int, patch: pytest.MonkeyPatch) -> None:
        self.entered, self.release = threading.Event(), threading.Event()
        self.extracted: set[int] = set()
        extract, recognize = recognizer.extract, recognizer.recognize

        def counted(frame, *args):
            features = extract(frame, *args)
            self.extracted.add(frame.stamp_ns // 10**9)
            return features

        def held(frame, **options):
            if frame.stamp_ns == stamp * 10**9:
                self.entered.set()
                assert self.release.wait(60)
            return recognize(frame, **options)

        patch.setattr(recognizer, 'extract', counted)
        patch.setattr(recognizer, 'recognize', held)


def answer_the_first_and_hold_the_second(piped: Piped, patch: pytest.MonkeyPatch) -> Held:
    """Three images were received: one is answered, one is being answered, one is next."""
    held = Held(piped.pipeline._recognizer, 2, patch)
    images = piped.watch.publisher(Image, '/image')
    images.publish(picture(1, stamp=1))
    piped.watch.until(lambda: piped.publishers.answers)
    images.publish(picture(2, stamp=2))
    piped.watch.until(held.entered.is_set)
    images.publish(picture(0, stamp=3))
    piped.watch.until(lambda: piped.counts()[0] == 3)
    if piped.context.settings.node.overlap == 'always':
        piped.watch.until(lambda: 3 in held.extracted)
    return held


def test_what_was_extracted_in_advance_is_dropped_when_it_stops_listening(piped, monkeypatch):
    """As at a deactivation: the image whose answer has begun is answered, the next one is not."""
    held = answer_the_first_and_hold_the_second(piped, monkeypatch)
    # What was extracted is put into the next queue right after.
    piped.watch.spin(0.2)
    piped.pipeline.unsubscribe()
    held.release.set()
    piped.pipeline.wait_idle()
    assert [answer.stamp_ns for answer in piped.publishers.answers] == [10**9, 2 * 10**9]
    assert piped.counts() == (3, 2, 1, 0)


def test_a_map_that_is_loaded_meanwhile_answers_what_was_extracted_before(
    piped, monkeypatch, tmp_path
):
    recognizer = piped.pipeline._recognizer
    first = recognizer.map_info.path
    other = live.small_map(scenes.write_folder(tmp_path / 'images', 2), tmp_path / 'other.folmap')
    held = answer_the_first_and_hold_the_second(piped, monkeypatch)
    try:
        recognizer.load_map(other)
        held.release.set()
        piped.watch.until(lambda: len(piped.publishers.answers) == 3)
        sizes = {len(answer.global_ranking) for answer in piped.publishers.answers[1:]}
        assert sizes == {2}
        assert piped.publishers.answers[2].hypotheses[0].place.place_id.endswith('000000')
        assert piped.counts() == (3, 3, 0, 0)
    finally:
        recognizer.load_map(first)


def test_an_image_that_the_network_has_no_memory_for_is_counted_once(piped, monkeypatch):
    def fail(*_args) -> None:
        raise DeviceError('cpu has not enough free memory for 1 images of 126x126 px')

    images = piped.watch.publisher(Image, '/image')
    with monkeypatch.context() as patched:
        patched.setattr(piped.pipeline._recognizer, 'extract', fail)
        images.publish(picture(1, stamp=1))
        piped.watch.until(lambda: piped.monitor.snapshot().bad)
    assert 'not enough free memory' in piped.monitor.snapshot().last_bad
    images.publish(picture(1, stamp=2))
    piped.watch.until(lambda: piped.publishers.answers)
    assert piped.counts() == (2, 1, 0, 1)


def test_once_stopped_it_publishes_nothing(piped):
    images = piped.watch.publisher(Image, '/image')
    piped.pipeline.stop()
    images.publish(picture(1))
    piped.watch.spin(0.5)
    assert piped.counts() == (0, 0, 0, 0) and piped.publishers.answers == []


def test_waiting_images_are_dropped_when_it_stops_listening(piped, monkeypatch):
    go_on, prepare = threading.Event(), piped.pipeline._recognizer.prepare
    monkeypatch.setattr(
        piped.pipeline._recognizer, 'prepare', lambda frame: go_on.wait(20) and prepare(frame)
    )
    images = piped.watch.publisher(Image, '/image')
    for stamp in (1, 2):
        images.publish(picture(1, stamp=stamp))
        received = stamp
        piped.watch.until(lambda: piped.counts()[0] == received)  # noqa: B023 called at once
        piped.watch.spin(0.1)
    piped.pipeline.unsubscribe()
    go_on.set()
    piped.pipeline.wait_idle()
    assert piped.counts() == (2, 1, 1, 0)
    assert [answer.stamp_ns for answer in piped.publishers.answers] == [10**9]


def test_a_picture_that_cannot_be_made_does_not_make_the_image_bad(piped, monkeypatch):
    def fail(*_args) -> None:
        raise InputError('no JPEG')

    monkeypatch.setattr(piped.publishers, 'publish_visualization', fail)
    images = piped.watch.publisher(Image, '/image')
    images.publish(picture(1))
    piped.watch.until(lambda: piped.counts()[1])
    piped.pipeline.wait_idle()
    assert piped.counts() == (1, 1, 0, 0)


def test_without_a_map_only_the_quality_is_told():
    with bench() as made:
        recognizer = PlaceRecognizer(made.context.settings.changed(PARAMETERS).recognizer)
        piped = Piped(made, recognizer)
        made.watch.publisher(Image, '/image').publish(picture(1))
        made.watch.until(lambda: piped.publishers.answers)
        assert piped.publishers.answers[0].hypotheses == ()
        piped.pipeline.unsubscribe()
        piped.pipeline.stop()
        recognizer.close()


def test_waiting_for_another_image_is_no_work(piped, monkeypatch):
    """By a clock on which only recognition takes time."""
    now, entered, held = [0.0], threading.Event(), threading.Event()
    recognize, extract = piped.pipeline._recognizer.recognize, piped.pipeline._recognizer.extract
    extracted: list[int] = []

    def slowly(frame, **options):
        entered.set()
        assert held.wait(60)
        now[0] += 5.0
        return recognize(frame, **options)

    def counted(frame, *args):
        features = extract(frame, *args)
        extracted.append(frame.stamp_ns)
        return features

    for module in (image_pipeline, extractor, backend, torch_backend):
        monkeypatch.setattr(module, 'time', SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(piped.pipeline._recognizer, 'recognize', slowly)
    monkeypatch.setattr(piped.pipeline._recognizer, 'extract', counted)
    images = piped.watch.publisher(Image, '/image')
    for number in (1, 2):
        images.publish(picture(number, stamp=number))
        piped.watch.until(lambda number=number: piped.monitor.snapshot().received == number)
        piped.watch.until(entered.is_set)
    settings = piped.context.settings.node
    if settings.replay and settings.overlap == 'always':
        piped.watch.until(lambda: len(extracted) == 2)
    held.set()
    piped.watch.until(lambda: len(piped.publishers.answers) == 2)
    assert piped.publishers.latencies == [(5.0, 0.0), (5.0, 5.0)]
    assert piped.monitor.snapshot().latency['total'][0] == 7.5


def test_a_drive_is_told_by_causes(piped):
    """What an operator reads of it: in each answer, and in the log at its end."""
    images = piped.watch.publisher(Image, '/image')
    drive = [picture(place, stamp=1 + place) for place in range(PLACES)]
    drive += [covered_picture(4), picture(2, stamp=20), picture(2, stamp=10)]
    for number, image in enumerate(drive):
        images.publish(image)
        piped.watch.until(lambda number=number: len(piped.publishers.answers) > number)
    causes = [answer.explanation.cause for answer in piped.publishers.answers]
    assert causes == [
        Cause.FEW_IMAGES,
        Cause.FEW_IMAGES,
        Cause.PLACE_PROBABLE,
        Cause.POOR_IMAGE,
        Cause.TIME_GAP,
        Cause.TIME_GAP,
    ]
    reasons = [answer.explanation.reason for answer in piped.publishers.answers]
    assert 'dark: 100% of the image is black' in reasons[3]
    assert reasons[4].startswith('16 s without an image (verification.max_gap 5 s)')
    assert reasons[5].startswith('stamps went back by 10 s')
    assert piped.monitor.take_summary().endswith(
        'LOCALIZED 1; UNKNOWN 5 (2 too few images in a row, 2 sequence begun anew by a jump of '
        'the stamps, 1 poor image)'
    )
