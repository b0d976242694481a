"""The node as a lifecycle manager and its users see it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from helpers import live, scenes
from helpers.messages import picture
from rcl_interfaces.msg import Parameter as ParameterMsg
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParameters
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import SetBool

from fol_vpr.config import NetworkConfig
from fol_vpr_msgs.srv import LoadMap, QueryPlace

PLACES = 6


@pytest.fixture(scope='module')
def maps(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp('maps')
    images = scenes.write_folder(folder / 'images', PLACES)
    few = scenes.write_folder(folder / 'few', 2)
    cut = folder / 'cut.folmap'
    good = live.small_map(images, folder / 'good.folmap')
    cut.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    return {
        'good': good,
        'other': live.small_map(few, folder / 'other.folmap'),
        'mismatch': live.small_map(
            few, folder / 'mismatch.folmap', NetworkConfig(input_size=140, threads=1)
        ),
        'cut': cut,
    }


@pytest.fixture(scope='module')
def node(maps, tmp_path_factory) -> Iterator[live.Localizer]:
    """One node for the tests of this module, which each leave it active with the good map."""
    log = tmp_path_factory.mktemp('log') / 'node.log'
    with live.localizer(log, {'map': maps['good']}) as process:
        yield process


@pytest.fixture
def watch(node) -> Iterator[live.Observer]:
    with live.observer() as watcher:
        if watcher.state() == 'unconfigured':
            assert watcher.change('configure')
        if watcher.state() == 'inactive':
            assert watcher.change('activate')
        yield watcher


def load(watch: live.Observer, path: Path | str) -> LoadMap.Response:
    return watch.call(LoadMap, 'load_map', LoadMap.Request(path=str(path)))


def test_lifecycle_by_its_services(watch):
    assert watch.state() == 'active'
    assert watch.change('deactivate')
    assert watch.state() == 'inactive'
    watch.until(lambda: watch.node.count_subscribers('/image') == 0)
    assert watch.change('cleanup')
    assert watch.state() == 'unconfigured'
    assert not watch.change('activate')
    assert watch.change('configure')
    assert watch.change('activate')
    assert watch.state() == 'active'


def test_an_image_is_answered_with_its_own_stamp(watch):
    publisher = watch.publisher(Image, '/image')
    publisher.publish(picture(3, stamp=1234))
    answer = watch.until(lambda: watch.answers)[0]
    assert answer.header.stamp.sec == 1234
    assert answer.header.frame_id == 'map'
    assert answer.sensor_frame == 'camera'
    assert answer.hypotheses[0].place_id.endswith('000003')
    assert [h.rank for h in answer.hypotheses] == list(range(PLACES))
    assert watch.until(lambda: watch.maps)[0].map_id == answer.map_id


def test_diagnostics_go_on_while_the_node_configures(maps, tmp_path, node):
    """Loading torch, weights and a map occupies the thread of the diagnostics timer."""
    published: list[dict[str, DiagnosticStatus]] = []

    def on_diagnostics(message: DiagnosticArray) -> None:
        if message.status[0].name == 'slow: node':
            published.append({each.name.partition(': ')[2]: each for each in message.status})

    parameters = {'map': maps['good'], 'diagnostics_period': 0.1}
    renamed = ['-r', '__node:=slow']
    with live.localizer(tmp_path / 'log', parameters, *renamed), live.observer() as watcher:
        watcher.name = 'slow'
        watcher.node.create_subscription(DiagnosticArray, '/diagnostics', on_diagnostics, 1000)
        watcher.until(
            lambda: published and published[-1]['node'].message.startswith('unconfigured')
        )
        assert watcher.change('configure')
        watcher.until(lambda: published[-1]['node'].message.startswith('inactive'))
        watcher.spin(0.5)
    messages = [each['node'].message.partition(':') for each in published]
    order = [state for state, *_ in messages]
    begun, done = order.index('configuring'), order.index('inactive')
    assert set(order[:begun]) == {'unconfigured'} and set(order[begun:done]) == {'configuring'}
    assert set(order[done:]) == {'inactive'}
    assert {text.partition(',')[0] for _, _, text in messages[begun:done]} >= {
        ' loads the network'
    }
    for each in published[begun:done]:
        assert {status.level for status in each.values()} == {DiagnosticStatus.OK}


def test_diagnostics_name_a_topic_without_images(watch):
    assert watch.change('deactivate')
    assert watch.change('activate')
    level, message = watch.until(
        lambda: watch.status('images') if 'nobody publishes' in watch.status('images')[1] else None
    )
    assert level == 2
    assert '/image and /image/compressed' in message


def test_a_camera_that_publishes_compressed_images_only_is_named_in_the_log(maps, tmp_path, node):
    log = tmp_path / 'node.log'
    remapped = ['-r', '__node:=eyes', '-r', 'image:=/eye/raw']
    parameters = {'map': maps['good'], 'autostart': True}
    with live.localizer(log, parameters, *remapped), live.observer() as watcher:
        watcher.name = 'eyes'
        watcher.node.create_publisher(CompressedImage, '/eye/raw/compressed', 1)
        expected = 'published on /eye/raw/compressed, which the node does not listen to: remap'
        watcher.until(lambda: expected in log.read_text())


def test_diagnostics_name_a_publisher_of_another_type(watch):
    watch.publisher(CompressedImage, '/image/compressed')
    watch.node.create_publisher(CompressedImage, '/image', 1)
    expected = 'publishes sensor_msgs/msg/CompressedImage on /image'
    watch.until(lambda: expected in watch.status('images')[1])


@pytest.mark.parametrize(
    ('which', 'result', 'text'),
    [
        ('missing', LoadMap.Response.NOT_FOUND, 'is not there'),
        ('cut', LoadMap.Response.CORRUPT, ''),
        ('mismatch', LoadMap.Response.MODEL_MISMATCH, 'fixed-140'),
        ('text', LoadMap.Response.BAD_REQUEST, '.folmap'),
        ('nobody', LoadMap.Response.BAD_REQUEST, '~no-such-user'),
        ('long', LoadMap.Response.NOT_FOUND, 'is not there'),
    ],
)
def test_a_map_that_does_not_load_leaves_the_old_one(watch, maps, tmp_path, which, result, text):
    paths = {
        **maps,
        'missing': tmp_path / 'no.folmap',
        'text': tmp_path / 'notes.txt',
        'nobody': '~no-such-user/x.folmap',
        'long': tmp_path / f'{"x" * 300}.folmap',
    }
    before = watch.until(lambda: watch.maps)[-1].map_id
    response = load(watch, paths[which])
    assert response.result == result, response.message
    assert text in response.message
    assert response.info.map_id == before
    publisher = watch.publisher(Image, '/image')
    publisher.publish(picture(1, stamp=1))
    assert watch.until(lambda: watch.answers)[0].map_id == before
    watch.until(lambda: 'another map failed to load' in watch.status('map')[1])


def test_another_map_is_loaded_while_active(watch, maps):
    response = load(watch, maps['other'])
    assert response.result == LoadMap.Response.OK
    assert response.info.places == 2
    publisher = watch.publisher(Image, '/image')
    publisher.publish(picture(1, stamp=2))
    assert watch.until(lambda: watch.answers)[0].map_id == response.info.map_id
    names = GetParameters.Request(names=['map'])
    values = watch.call(GetParameters, 'get_parameters', names).values
    assert values[0].string_value == str(maps['other'])
    assert load(watch, maps['good']).info.places == PLACES


def test_services_wait_for_their_lifecycle_state(watch, maps):
    assert watch.change('deactivate')
    request = QueryPlace.Request(image=picture(5, stamp=77))
    assert watch.call(QueryPlace, 'query_place', request).result == QueryPlace.Response.NOT_READY
    assert watch.change('cleanup')
    response = load(watch, maps['good'])
    assert response.result == LoadMap.Response.NOT_READY
    assert 'unconfigured' in response.message


def test_a_query_during_a_cleanup_is_not_ready(watch):
    client = watch.client(QueryPlace, 'query_place')
    large = QueryPlace.Request(image=picture(5, stamp=1))
    futures = [client.call_async(large) for _ in range(6)]
    assert watch.change('deactivate') and watch.change('cleanup')
    watch.until(lambda: all(future.done() for future in futures))
    allowed = {QueryPlace.Response.OK, QueryPlace.Response.NOT_READY}
    assert {future.result().result for future in futures} <= allowed


def test_query_place_answers_one_image(watch):
    request = QueryPlace.Request(image=picture(5, stamp=77), max_hypotheses=2)
    response = watch.call(QueryPlace, 'query_place', request)
    assert response.result == QueryPlace.Response.OK, response.message
    assert response.places.header.stamp.sec == 77
    assert len(response.places.hypotheses) == 2
    assert response.places.hypotheses[0].place_id.endswith('000005')


def test_query_place_refuses_what_it_cannot_read(watch):
    nothing = watch.call(QueryPlace, 'query_place', QueryPlace.Request())
    assert nothing.result == QueryPlace.Response.BAD_REQUEST
    broken = QueryPlace.Request()
    broken.compressed.format = 'jpeg'
    broken.compressed.data = b'\xff\xd8\xff no picture'
    assert watch.call(QueryPlace, 'query_place', broken).result == QueryPlace.Response.BAD_REQUEST


def test_enable_stops_and_starts_listening(watch):
    assert watch.call(SetBool, 'enable', SetBool.Request(data=False)).success
    watch.until(lambda: watch.node.count_subscribers('/image') == 0)
    watch.until(lambda: watch.status('node')[1] == 'disabled by ~/enable')
    assert watch.call(SetBool, 'enable', SetBool.Request(data=True)).success
    publisher = watch.publisher(Image, '/image')
    publisher.publish(picture(0, stamp=3))
    watch.until(lambda: watch.answers)


def set_parameter(watch: live.Observer, name: str, **value) -> str:
    """The reason for which it was refused, empty where it was not."""
    request = SetParameters.Request()
    request.parameters = [ParameterMsg(name=name, value=ParameterValue(**value))]
    result = watch.call(SetParameters, 'set_parameters', request).results[0]
    return '' if result.successful else result.reason


def test_parameters_change_while_it_runs_and_are_checked(watch):
    whole = {'type': ParameterType.PARAMETER_INTEGER}
    assert 'retrieval.hypotheses' in set_parameter(
        watch, 'retrieval.hypotheses', integer_value=0, **whole
    )
    assert set_parameter(watch, 'retrieval.hypotheses', integer_value=2, **whole) == ''
    publisher = watch.publisher(Image, '/image')
    publisher.publish(picture(0, stamp=4))
    assert len(watch.until(lambda: watch.answers)[0].hypotheses) == 2
    assert set_parameter(watch, 'retrieval.hypotheses', integer_value=10, **whole) == ''
    text = {'type': ParameterType.PARAMETER_STRING}
    assert 'load_map' in set_parameter(watch, 'map', string_value='x.folmap', **text)
    assert 'clean up first' in set_parameter(watch, 'network.device', string_value='cpu', **text)
    assert set_parameter(watch, 'replay', bool_value=True, type=ParameterType.PARAMETER_BOOL)


def test_parameters_describe_themselves(watch):
    names = ['verification.min_inlier_ratio', 'replay', 'network.precision']
    request = DescribeParameters.Request(names=names)
    ratio, replay, precision = watch.call(
        DescribeParameters, 'describe_parameters', request
    ).descriptors
    assert (ratio.floating_point_range[0].from_value, ratio.floating_point_range[0].to_value) == (
        0.0,
        1.0,
    )
    assert replay.read_only and replay.description
    assert 'bfloat16' in precision.additional_constraints


def test_a_node_that_started_without_its_map_can_load_it_later(maps, tmp_path, node):
    missing = tmp_path / 'late.folmap'
    parameters = {'map': missing, 'autostart': True}
    log = tmp_path / 'node.log'
    with live.localizer(log, parameters, '-r', '__node:=late'), live.observer() as watcher:
        watcher.name = 'late'
        watcher.until(lambda: watcher.state() == 'unconfigured')
        watcher.until(lambda: str(missing) in log.read_text())
        still = load(watcher, missing)
        assert still.result == LoadMap.Response.NOT_FOUND
        shutil.copy(maps['good'], missing)
        assert load(watcher, missing).result == LoadMap.Response.OK
        assert watcher.state() == 'active'


def test_weights_that_are_given_keep_the_preprocessing_of_the_map(maps, tmp_path, node):
    """A robot names the file where it lies; the map says at which size it was made."""
    parameters = {'map': maps['mismatch'], 'autostart': True, 'network.weights': 'none.pth'}
    log = tmp_path / 'node.log'
    with live.localizer(log, parameters, '-r', '__node:=elsewhere'), live.observer() as watcher:
        watcher.name = 'elsewhere'
        watcher.until(lambda: "no weights 'none.pth'" in log.read_text())
        watcher.until(lambda: watcher.state() == 'unconfigured')
        text = {'type': ParameterType.PARAMETER_STRING}
        assert not set_parameter(watcher, 'network.weights', string_value='fol_tiny', **text)
        assert watcher.change('configure') and watcher.change('activate')
        answer = watcher.call(
            QueryPlace, 'query_place', QueryPlace.Request(image=picture(1, stamp=1))
        )
        assert answer.result == QueryPlace.Response.OK


def test_an_activation_that_fails_is_undone(maps, tmp_path, node):
    overrides = tmp_path / 'qos.yaml'
    overrides.write_text(
        '/**:\n  ros__parameters:\n    qos_overrides:\n      /image/compressed:\n'
        '        subscription: {reliability: often}\n'
    )
    log = tmp_path / 'node.log'
    extra = ['-r', '__node:=undone', '--params-file', str(overrides)]
    with live.localizer(log, {'map': maps['good']}, *extra), live.observer() as watcher:
        watcher.name = 'undone'
        assert watcher.change('configure')
        assert not watcher.change('activate')
        assert watcher.state() == 'inactive'
        assert 'qos_overrides./image/compressed' in log.read_text()
        assert 'defect' not in log.read_text()
        watcher.until(lambda: watcher.node.count_publishers('/undone/places') == 1)
        watcher.until(lambda: 'undone' in watcher.node.get_node_names())
        topics = watcher.node.get_subscriber_names_and_types_by_node('undone', '/')
        assert '/image' not in dict(topics)
        assert watcher.change('cleanup') and watcher.change('configure')


def test_a_wrong_parameter_ends_the_start_with_its_name(tmp_path):
    process = live.Localizer(tmp_path / 'node.log', {'network.input_size': -7})
    assert process.process.wait(live.PATIENCE) == 2
    assert 'network.input_size' in process.log.read_text()


def test_a_whole_number_for_a_float_says_how_to_write_it(tmp_path):
    process = live.Localizer(tmp_path / 'node.log', {'position_stddev': 2})
    assert process.process.wait(live.PATIENCE) == 2
    assert 'write 2.0' in process.log.read_text()


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, '-m', 'fol_vpr.ros.node.main', *arguments],
        capture_output=True, text=True, timeout=live.PATIENCE, cwd=live.ROOT,
    )  # fmt: skip


def test_help_is_printed_and_starts_no_node():
    done = start('--help')
    assert done.returncode == 0
    assert done.stdout.startswith('usage: localizer')
    assert 'docs/reference/parameters.md' in done.stdout


@pytest.mark.parametrize('arguments', [['--ros-args', 'map:=x.folmap'], ['x.folmap']])
def test_wrong_arguments_are_explained(arguments):
    done = start(*arguments)
    assert done.returncode == 2
    assert 'x.folmap' in done.stderr and '-p NAME:=VALUE' in done.stderr
    assert 'Traceback' not in done.stderr


def test_a_wrong_parameter_ends_the_node_with_2():
    done = start('--ros-args', '-p', 'mapping.save_timeout:=-1.0')
    assert done.returncode == 2
    assert 'wrong parameter' in done.stderr and 'mapping.save_timeout' in done.stderr


def test_the_log_tells_what_the_node_waits_for_and_what_it_ignores(tmp_path):
    overrides = tmp_path / 'given.yaml'
    overrides.write_text(
        '/**:\n  ros__parameters:\n    use_sim_time: false\n    rerank: 3\n    exposure: 5\n'
        '    qos_overrides:\n      /image:\n        subscription: {depth: 2}\n'
    )
    log = tmp_path / 'node.log'
    with live.localizer(log, {'mapp': 'x'}, '--params-file', str(overrides)):
        deadline = time.monotonic() + live.PATIENCE
        while 'autostart:=true' not in log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        output = log.read_text()
    assert 'exposure, mapp (is map meant?), rerank (is retrieval.rerank meant?)' in output
    assert 'use_sim_time' not in output and 'qos_overrides' not in output
