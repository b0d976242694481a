"""A node that finds loop closures in its own session, uses feedback, and saves the session."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import live
from helpers.messages import picture
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from fol_vpr.database import FEEDBACK, MapReader, check_map
from fol_vpr_msgs.msg import LoopClosureCandidateArray, LoopClosureFeedback

PLACES = 5
# Without odometry, revisits are told from neighbours by time.
PARAMETERS = {
    'autostart': True,
    'replay': True,
    'network.input_size': 126,
    'verification.min_inliers': 20,
    'verification.min_regions': 10,
    'loops.enabled': True,
    'loops.exclude_time': 3.0,
    'loops.exclude_keyframes': 2,
    'loops.min_information_gain_bits': 0.0,
}


@pytest.fixture
def node(tmp_path) -> Iterator[live.Localizer]:
    parameters = {**PARAMETERS, 'loops.session_file': tmp_path / 'drive.folmap'}
    with live.localizer(tmp_path / 'node.log', parameters) as process:
        yield process


def values(watch: live.Observer) -> dict[str, str]:
    status = watch.diagnostics.get('loops')
    return {} if status is None else {value.key: value.value for value in status.values}


def test_loop_closures_feedback_and_session_file_without_a_map(node, watch, tmp_path):
    arrays: list[LoopClosureCandidateArray] = []
    watch.node.create_subscription(
        LoopClosureCandidateArray, 'localizer/loop_closures', arrays.append, 100
    )
    images = watch.publisher(Image, 'image')
    for number in range(2 * PLACES):
        images.publish(picture(number % PLACES, 100 + number, shift=4 * (number // PLACES)))
        watch.until(lambda: len(watch.answers) == number + 1)  # noqa: B023 called at once
    assert not any(answer.hypotheses for answer in watch.answers)
    watch.until(lambda: arrays)
    for array in arrays:
        (candidate,) = array.candidates
        assert array.map_id == '' and array.header.frame_id == 'camera'
        assert array.header.stamp == candidate.stamp_from
        assert candidate.stamp_from.sec - candidate.stamp_to.sec == PLACES
        assert candidate.session_from == candidate.session_to
        assert candidate.verification == candidate.VERIFIED_GEOMETRY

    answers = watch.publisher(LoopClosureFeedback, 'loop_closure_feedback')
    rejected = LoopClosureFeedback(
        candidate_id=arrays[0].candidates[0].candidate_id,
        status=LoopClosureFeedback.REJECTED,
        reason='residual 4 m',
    )
    answers.publish(rejected)
    watch.until(lambda: values(watch).get('rejected') == '1')
    assert float(values(watch)['threshold (doublings)']) > 0
    answers.publish(rejected)
    watch.until(lambda: values(watch).get('ignored feedback') == '1')
    level, message = watch.status('loops')
    assert level == 1 and 'answered already' in message
    assert watch.status('map')[0] == 0

    saved = watch.call(Trigger, 'save_session', Trigger.Request())
    path = tmp_path / 'drive.folmap'
    assert saved.success, saved.message
    assert saved.message == f'saved {2 * PLACES} keyframes in {path}'
    images.publish(picture(7, 150, shift=0))
    watch.until(lambda: values(watch).get('keyframes') == str(2 * PLACES + 1))
    node.stop(signal.SIGKILL)
    assert check_map(path) == []
    with MapReader(path) as reader:
        assert [place.stamp_ns // 10**9 for place in reader.places][-2:] == [109, 150]
        (answer,) = json.loads(reader.calibration()[FEEDBACK])['answers']
    assert (answer['status'], answer['reason']) == ('rejected', 'residual 4 m')


def test_each_configure_begins_another_session(watch, tmp_path):
    images = watch.publisher(Image, 'image')
    images.publish(picture(0, 100, shift=0))
    watch.until(lambda: watch.answers)
    for label in ('deactivate', 'cleanup', 'configure', 'activate'):
        assert watch.change(label)
    assert check_map(tmp_path / 'drive.folmap') == []
    watch.until(lambda: values(watch).get('session file') == str(Path(tmp_path, 'drive-2.folmap')))
    assert values(watch)['keyframes'] == '0'


def test_the_temporary_session_file_is_removed_with_the_node(tmp_path, monkeypatch):
    """A day of keyframes with their images would fill the disk run by run."""
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    with live.localizer(tmp_path / 'node.log', PARAMETERS) as node, live.observer() as watcher:
        watcher.until(lambda: watcher.status('node')[1] == 'active')
        watcher.publisher(Image, 'image').publish(picture(0, 100, shift=0))
        watcher.until(lambda: watcher.answers)
        assert list(tmp_path.glob('fol_vpr_session_*/session.folmap'))
        status, seconds = node.stop(signal.SIGTERM)
        assert status == 0 and seconds < 2
    assert not list(tmp_path.glob('fol_vpr_session_*'))


def test_a_session_that_is_not_recorded_cannot_be_saved(tmp_path):
    parameters = {**PARAMETERS, 'loops.enabled': False}
    with live.localizer(tmp_path / 'node.log', parameters), live.observer() as watcher:
        watcher.until(lambda: watcher.status('node')[1] == 'active')
        answer = watcher.call(Trigger, 'save_session', Trigger.Request())
        assert not answer.success and 'set loops.enabled' in answer.message
