"""What a person reads on /diagnostics."""

from __future__ import annotations

import dataclasses
import time

import pytest

from fol_vpr.checks.topics.facts import TopicReport
from fol_vpr.config import NodeConfig
from fol_vpr.datatypes import Cause, Explanation, LocalizationState, MapInfo, Recognition
from fol_vpr.loop_closure import FeedbackCounts, LoopStatus
from fol_vpr.ros.node.diagnostics.facts import NodeFacts
from fol_vpr.ros.node.diagnostics.monitor import Monitor
from fol_vpr.ros.node.diagnostics.statuses import diagnostic_parts, diagnostic_statuses

NS = 1_000_000_000
INFO = MapInfo(
    path='m.folmap',
    map_id='id',
    name='m',
    schema_version=1,
    model_id='model',
    preprocessing_id='fixed',
    codec='fine',
    places=4,
    sessions=1,
    descriptor_dim=8,
    local_dim=8,
    bytes=1,
    frame_id='map',
    georeferenced=False,
    datum=None,
    calibrated=False,
)


def answer(quality_reason: str = '', **timings: float) -> tuple[Recognition, dict[str, float]]:
    recognition = Recognition(
        1, 'camera', LocalizationState.AMBIGUOUS, (), quality_reason=quality_reason
    )
    return recognition, timings


@pytest.fixture
def status_of():
    topic = TopicReport('/cam', 'sensor_msgs/msg/Image')
    facts = NodeFacts(
        state='active',
        enabled=True,
        failure='',
        use_sim_time=False,
        clock_missing=False,
        settings=NodeConfig(),
        network={'weights': 'w'},
        trained=True,
        map_info=None,
        map_failure='',
        index='flat',
        index_problem='',
        decisions='uncalibrated: by defaults',
        hits_problem='',
        topics=[topic],
        camera_problem='',
        camera_state='calibrated',
        odometry_problem='',
        odometry_state='none on /odom',
        loops=None,
    )

    def status_of(part: str, monitor: Monitor | None = None, **changes) -> tuple[int, str]:
        if 'problems' in changes:
            changes['topics'] = [
                dataclasses.replace(topic, problems=changes.pop('problems'), publishers=['x'])
            ]
        if 'publishers' in changes:
            changes['topics'] = [dataclasses.replace(topic, publishers=changes.pop('publishers'))]
        if 'settings' in changes:
            changes['settings'] = NodeConfig(**changes['settings'])
        counts = (monitor or Monitor()).snapshot()
        parts = diagnostic_parts(dataclasses.replace(facts, **changes), counts)
        published = diagnostic_statuses('n', parts)
        status = next(each for each in published if each.name == f'n: {part}')
        return ord(status.level), status.message

    status_of.facts = facts
    return status_of


def monitor_after(stamp_s: float, now_s: float) -> Monitor:
    monitor = Monitor()
    monitor.received(round(stamp_s * NS), round(now_s * NS), lost=0)
    return monitor


def test_settings_that_are_not_those_of_the_calibration_are_a_warning(status_of):
    problem = 'made with other settings: verification.place_radius 10 instead of 0.4'
    assert status_of('map', map_info=INFO) == (0, 'm: 4 places')
    assert status_of('map', map_info=INFO, calibration_problem=problem) == (1, problem)


def test_a_running_transition_hides_earlier_failures(status_of):
    busy = 'configuring: loads the map m, for 7 s'
    old = {'state': 'configuring', 'failure': 'configure failed', 'map_failure': 'damaged'}
    assert status_of('node', transition=busy, **old) == (0, busy)
    assert status_of('map', transition=busy, **old) == (0, 'not loaded')
    assert status_of('map', transition=busy, map_info=INFO)[1] == 'm: 4 places'
    assert status_of('node', **old)[0] == status_of('map', **old)[0] == 2


def test_missing_images_are_reported_with_topic_and_cause(status_of):
    assert status_of('images') == (2, status_of('images')[1])
    assert 'no images on /cam: nobody publishes there' in status_of('images')[1]
    assert 'QoS' in status_of('images', problems=['the QoS of /p does not fit'])[1]
    assert status_of('images', state='inactive')[0] == 0
    assert status_of('images', enabled=False) == (0, 'not listening')


def test_bad_images_are_a_warning_with_the_reason(status_of):
    monitor = monitor_after(5, 5)
    assert status_of('images', monitor)[0] == 0
    monitor.bad('JPEG is cut short')
    level, message = status_of('images', monitor)
    assert level == 1 and 'JPEG is cut short' in message


@pytest.mark.parametrize('replay', [False, True])
def test_lost_images_are_a_warning_for_a_while(status_of, monkeypatch, replay):
    monitor = monitor_after(5, 5)
    monitor.received(6 * NS, 6 * NS, lost=3)
    level, message = status_of('images', monitor, settings={'replay': replay})
    assert level == 1 and '3 images were lost' in message and 'fastdds_shm.xml' in message
    later = time.monotonic() + 60
    monkeypatch.setattr(time, 'monotonic', lambda: later)
    settings = {'replay': replay, 'image_timeout': 600.0}
    assert status_of('images', monitor, settings=settings)[0] == 0
    assert monitor.snapshot().lost == 3


@pytest.mark.parametrize(
    ('stamp', 'now', 'word'),
    [(100, 100, 'as expected'), (103, 100, 'future'), (100, 200, 'old'), (0, 5, 'no stamp')],
)
def test_stamps_against_the_clock(status_of, stamp, now, word):
    assert word in status_of('stamps', monitor_after(stamp, now))[1]


def test_stamps_of_a_replay_are_not_compared_with_the_clock(status_of):
    assert status_of('stamps', monitor_after(100, 200), settings={'replay': True})[0] == 0


def test_map_and_network(status_of):
    assert 'no map' in status_of('map')[1]
    assert status_of('map', map_failure='made with other weights') == (
        2,
        'made with other weights',
    )
    assert status_of('recognition')[0] == 0
    assert 'untrained' in status_of('recognition', trained=False)[1]
    assert status_of('node', failure='configure failed: x') == (2, 'configure failed: x')
    assert '/clock' in status_of('node', clock_missing=True)[1]


def test_a_poor_image_is_named(status_of):
    monitor = monitor_after(1, 1)
    monitor.answered(*answer(quality_reason='blurred', total=0.1))
    assert status_of('recognition', monitor) == (1, 'poor image: blurred')


def test_what_is_wrong_with_camera_and_odometry_is_named(status_of):
    monitor = monitor_after(1, 1)
    monitor.answered(*answer(total=0.1))
    assert status_of('images', monitor, camera_problem='of another camera') == (
        1,
        'of another camera',
    )
    assert status_of('recognition', monitor, odometry_problem='a gap') == (1, 'a gap')


def test_a_waiting_node_tells_for_what(status_of):
    assert status_of('node') == (0, 'active')
    assert status_of('node', enabled=False) == (0, 'disabled by ~/enable')
    assert 'manager to configure' in status_of('node', state='unconfigured')[1]
    assert 'manager to activate' in status_of('node', state='inactive')[1]


def test_a_publisher_that_does_not_fit_is_named_beside_one_that_does(status_of):
    monitor = monitor_after(1, 1)
    assert status_of('images', monitor, problems=['the QoS of /p']) == (1, 'the QoS of /p')


def test_missing_images_are_reported_with_their_duration(status_of, monkeypatch):
    monitor = monitor_after(1, 1)
    later = time.monotonic() + 60
    monkeypatch.setattr(time, 'monotonic', lambda: later)
    level, message = status_of('images', monitor)
    assert level == 2 and 'no images on /cam for 60 s: nobody' in message
    silent = status_of('images', monitor, publishers=['/driver'])
    assert 'does the camera run?' in silent[1]
    assert 'restart its driver' in silent[1]


def test_an_old_answer_is_not_reported_as_the_current_state(status_of, monkeypatch):
    monitor = monitor_after(1, 1)
    assert status_of('recognition', monitor) == (0, 'no answer yet')
    monitor.answered(*answer(total=0.1))
    assert status_of('recognition', monitor) == (0, 'AMBIGUOUS')
    assert status_of('recognition', monitor, state='inactive') == (0, 'not listening')
    assert status_of('recognition', monitor, enabled=False) == (0, 'not listening')
    later = time.monotonic() + 7
    monkeypatch.setattr(time, 'monotonic', lambda: later)
    assert status_of('recognition', monitor) == (1, 'no answer for 7 s')
    assert status_of('recognition', monitor, settings={'image_timeout': 8.0})[0] == 0


@pytest.mark.parametrize('replay', [False, True])
def test_stamps_that_stand_still_are_named_for_a_while(status_of, monkeypatch, replay):
    monitor = monitor_after(100, 100)
    settings = {'replay': replay}
    assert status_of('stamps', monitor, settings=settings)[0] == 0
    monitor.received(100 * NS, 100 * NS, lost=0)
    level, message = status_of('stamps', monitor, settings=settings)
    assert level == 1 and 'the stamp of the one before' in message
    monitor.received(101 * NS, 101 * NS, lost=0)
    later = time.monotonic() + 60
    monkeypatch.setattr(time, 'monotonic', lambda: later)
    assert status_of('stamps', monitor, settings=settings)[0] == 0


def test_stamps_that_went_back_are_named_for_a_while(status_of, monkeypatch):
    monitor = monitor_after(100, 100)
    monitor.received(97 * NS, 97 * NS, lost=0)
    assert status_of('stamps', monitor) == (1, status_of('stamps', monitor)[1])
    assert 'jumped back by 3.000 s' in status_of('stamps', monitor)[1]
    later = time.monotonic() + 60
    monkeypatch.setattr(time, 'monotonic', lambda: later)
    assert status_of('stamps', monitor)[0] == 0


def test_hits_that_cannot_be_written_are_named_with_the_map(status_of):
    assert status_of('map', map_info=INFO) == (0, 'm: 4 places')
    level, message = status_of('map', map_info=INFO, hits_problem='no space left')
    assert level == 1 and 'no space left' in message
    level, message = status_of('map', map_info=INFO, hits_problem='x', map_failure='other weights')
    assert level == 1 and 'kept m' in message and 'other weights' in message


def test_a_search_index_that_does_not_work_as_it_should_is_a_warning(status_of):
    level, message = status_of('map', map_info=INFO, index_problem='Milvus is not searched')
    assert (level, message) == (1, 'Milvus is not searched')


def test_loops_report_counts_and_problems(status_of):
    status = LoopStatus(True, 12, '/d/s.folmap', FeedbackCounts(published=3, accepted=2), '')
    assert status_of('loops', loops=status) == (0, '3 published, 2 accepted')
    assert status_of('map', loops=status)[0] == 0
    assert status_of('map', loops=status, map_failure='damaged') == (2, 'damaged')
    assert status_of('map', loops=dataclasses.replace(status, enabled=False))[0] == 2
    full = dataclasses.replace(status, problem='no space left')
    assert status_of('loops', loops=full) == (1, 'no space left')
    stray = dataclasses.replace(status.counts, ignored=1, last_ignored='feedback to 9')
    stray_status = dataclasses.replace(status, counts=stray)
    assert status_of('loops', loops=stray_status) == (1, 'ignored feedback to 9')


def received(rate: float, dropped: int, answered: int, monkeypatch) -> Monitor:
    """Ten seconds of a camera, at their end."""
    monitor, images = Monitor(), round(10 * rate)
    for number in range(images):
        monkeypatch.setattr(time, 'monotonic', lambda now=number / rate: now)
        monitor.received(number * NS, number * NS, lost=0)
        if number < dropped:
            monitor.dropped(1)
        if number < answered:
            monitor.answered(*answer(total=0.1))
    return monitor


def test_images_dropped_beyond_the_share_that_is_allowed_are_a_warning(status_of, monkeypatch):
    monitor = received(31, dropped=246, answered=64, monkeypatch=monkeypatch)
    level, message = status_of('images', monitor)
    assert level == 1 and '79% of the images' in message and '(246 of 310)' in message
    assert 'Lower the rate of the camera' in message and 'dropped_share (0.5)' in message
    assert status_of('images', monitor, settings={'dropped_share': 0.9})[0] == 0
    assert status_of('images', monitor, settings={'dropped_share': 0.75})[0] == 1
    few = received(0.5, dropped=5, answered=0, monkeypatch=monkeypatch)
    assert status_of('images', few)[0] == 0


def test_a_map_that_configure_is_yet_to_load_is_not_missing(status_of):
    waiting = status_of('map', state='unconfigured', settings={'map': 'campus.folmap'})
    assert waiting == (0, 'unconfigured: the map is campus.folmap, and configure loads it')
    assert status_of('map', state='unconfigured')[0] == 2
    refused = status_of(
        'map', state='unconfigured', settings={'map': 'm.folmap'}, map_failure='damaged'
    )
    assert refused == (2, 'damaged')
    assert status_of('map', state='active', settings={'map': 'm.folmap'})[0] == 2


def test_a_wrong_topic_lists_the_image_topics_that_are_there(status_of, monkeypatch):
    others = ['/camera/image_raw (sensor_msgs/msg/Image)', '/rear (sensor_msgs/msg/Image)']
    topic = dataclasses.replace(status_of.facts.topics[0], others=others)
    level, message = status_of('images', topics=[topic])
    assert level == 2 and f'images are published on {", ".join(others)}: ' in message
    assert '`-r image:=/camera/image_raw` behind --ros-args if that is the camera' in message
    jpeg = dataclasses.replace(topic, others=['/cam/compressed (sensor_msgs/msg/CompressedImage)'])
    assert '`-r image/compressed:=/cam/compressed`' in status_of('images', topics=[jpeg])[1]
    monkeypatch.setenv('FOL_VPR_LAUNCH_FILE', 'localize.launch.py')
    assert '`image_topic:=/cam`' in status_of('images', topics=[jpeg])[1]
    assert 'no image topic is published here' in status_of('images')[1]


def test_the_last_answer_says_why_and_all_are_counted(status_of):
    monitor = monitor_after(1, 1)
    explanation = Explanation(Cause.FEW_IMAGES, 'images 1 of 3 needed', 'wait')
    unknown = dataclasses.replace(
        answer()[0], state=LocalizationState.UNKNOWN, explanation=explanation
    )
    for _ in range(2):
        monitor.answered(unknown, {'processing': 0.1, 'waiting': 0.7, 'total': 0.8})
    assert status_of('recognition', monitor) == (0, 'UNKNOWN: images 1 of 3 needed')
    part = diagnostic_parts(status_of.facts, monitor.snapshot())['recognition']
    assert part.values['last remedy'] == 'wait'
    assert part.values['UNKNOWN: too few images in a row'] == 2
    milliseconds = [name for name in part.values if name.endswith('(ms)')]
    assert milliseconds == ['processing (ms)', 'waiting (ms)', 'total (ms)']
    assert part.values['processing (ms)'] == '100.0 median, 100.0 95th percentile'


def test_all_that_is_wrong_with_a_part_is_said(status_of):
    monitor = monitor_after(1, 1)
    monitor.answered(*answer(quality_reason='blurred', total=0.1))
    said = status_of('recognition', monitor, odometry_problem='a gap')
    assert said == (1, 'poor image: blurred; a gap')
