"""What the services share."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from geometry_msgs.msg import PoseWithCovariance
from helpers.bench import Bench, bench

from fol_vpr import errors
from fol_vpr.config import NodeConfig
from fol_vpr.ros.node.parameters.settings import Settings
from fol_vpr.ros.node.services.calls import BusyError, InterruptedCallError, NotReady
from fol_vpr.ros.node.services.common import (
    NoMap,
    active_recognizer,
    check_map_loaded,
    check_not_cleaned_up,
    cleanup_explains_errors,
    configured_recognizer,
    given_image,
    message_of,
    pose_in_map,
    result_of,
    run_in_background,
)
from fol_vpr_msgs.srv import AddPlace, LoadMap

KINDS = {
    NotReady: 'NOT_READY',
    BusyError: 'BUSY',
    InterruptedCallError: 'FAILED',
    NoMap: 'NOT_FOUND',
    errors.NotInMapError: 'NOT_FOUND',
    errors.InputError: 'BAD_REQUEST',
    errors.MapMismatchError: 'MODEL_MISMATCH',
    errors.MapBusyError: 'FAILED',
    errors.MapError: 'CORRUPT',
    errors.DeviceError: 'OUT_OF_MEMORY',
    MemoryError: 'OUT_OF_MEMORY',
    errors.WeightsError: 'FAILED',
    errors.FolVprError: 'FAILED',
}
RECOGNIZER = SimpleNamespace(map_info=None)


@pytest.mark.parametrize(('kind', 'name'), KINDS.items())
def test_each_error_has_its_result(kind, name):
    assert result_of(kind('x'), LoadMap.Response) == getattr(LoadMap.Response, name)


def test_an_error_without_a_text_is_lack_of_memory():
    assert message_of(errors.InputError('too large')) == 'too large'
    assert message_of(MemoryError()) == 'no memory left'


def test_the_state_that_a_call_needs():
    with bench() as made:
        context = made.context
        for needed in (configured_recognizer, active_recognizer):
            with pytest.raises(NotReady, match='the node is unconfigured: '):
                needed(context)
        made.activate(RECOGNIZER)
        assert configured_recognizer(context) is active_recognizer(context) is RECOGNIZER
        made.state = 'inactive'
        assert configured_recognizer(context) is RECOGNIZER
        with pytest.raises(NotReady, match='the node is inactive: activate it first'):
            active_recognizer(context)
    with pytest.raises(NoMap, match='~/load_map'):
        check_map_loaded(RECOGNIZER)
    check_map_loaded(SimpleNamespace(map_info='a map'))


def test_an_error_after_a_cleanup_is_explained_by_it():
    with bench() as made:
        made.activate(RECOGNIZER)
        with pytest.raises(errors.MapError), cleanup_explains_errors(made.context, RECOGNIZER):
            raise errors.MapError('closed')
        check_not_cleaned_up(made.context, RECOGNIZER)
        made.context.runtime = None
        with pytest.raises(NotReady), cleanup_explains_errors(made.context, RECOGNIZER):
            raise errors.MapError('closed')
        with pytest.raises(NotReady, match='cleaned up meanwhile'):
            check_not_cleaned_up(made.context, RECOGNIZER)


def run(made: Bench, job) -> object:
    """What comes of a job in the background."""
    task = made.watch.executor.create_task(run_in_background, made.context, job)
    made.watch.until(task.done)
    return task.result()


def test_a_job_runs_on_a_thread_of_its_own_while_the_executor_goes_on():
    with bench() as made:
        goes_on = threading.Event()
        made.node.create_timer(0.01, goes_on.set)
        assert run(made, lambda: goes_on.wait(20)) is True
        assert run(made, threading.current_thread) is not threading.current_thread()


@pytest.mark.parametrize(
    ('raised', 'kind', 'words'),
    [
        (errors.InputError('too large'), errors.InputError, 'too large'),
        (MemoryError('none left'), MemoryError, 'none left'),
        (ValueError('odd'), errors.FolVprError, 'defect of fol_vpr'),
    ],
)
def test_errors_of_a_job_reach_the_caller(raised, kind, words):
    def fail() -> None:
        raise raised

    with bench() as made, pytest.raises(kind, match=words):
        run(made, fail)


def test_a_request_holds_exactly_one_image():
    request = AddPlace.Request()
    with pytest.raises(errors.InputError, match='got 0'):
        given_image(request)
    request.compressed.data = b'x'
    assert given_image(request) is request.compressed
    request.image.data = b'y'
    with pytest.raises(errors.InputError, match='got 2'):
        given_image(request)


def test_a_pose_is_in_the_frame_of_the_map():
    message = PoseWithCovariance()
    message.pose.position.x = 3.0
    info = SimpleNamespace(frame_id='map')
    assert pose_in_map(message, 'map', info, Settings()).position[0] == 3
    assert pose_in_map(message, '/map', info, Settings()).position[0] == 3
    named = Settings(node=NodeConfig(map_frame='/site'))
    assert pose_in_map(message, 'site', info, named).position[0] == 3
    with pytest.raises(errors.InputError, match="in the frame 'map', the map is in 'site'"):
        pose_in_map(message, 'map', info, named)
