"""The parameters of a running node."""

from __future__ import annotations

import array
from types import SimpleNamespace

import pytest
import rclpy
import yaml
from helpers.bench import bench
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters, ListParameters
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python

from fol_vpr.config import settings_in_use
from fol_vpr.errors import InputError
from fol_vpr.ros.node.context import NodeContext


class Recognizer(SimpleNamespace):
    """Keeps the configurations that it is given."""

    def __init__(self) -> None:
        super().__init__(configs=[], map_status=SimpleNamespace(calibration_problem=''))

    def set_config(self, config) -> None:
        self.configs.append(config)


def test_a_change_reaches_the_recognizer_once():
    with bench() as made:
        settings, recognizer = made.context.live_settings, Recognizer()
        assert settings.apply(recognizer) == settings.current and recognizer.configs == []
        assert made.set('retrieval.hypotheses', 3) == ''
        assert settings.apply(recognizer).retrieval.hypotheses == 3
        settings.apply(recognizer)
        assert [config.retrieval.hypotheses for config in recognizer.configs] == [3]


def test_a_change_of_the_node_alone_does_not_reach_the_recognizer():
    with bench() as made:
        recognizer = Recognizer()
        assert made.set('map_frame', 'site') == ''
        assert made.context.live_settings.apply(recognizer).node.map_frame == 'site'
        assert recognizer.configs == []


def test_with_map_folder_files_and_servers_are_those_of_the_start(tmp_path):
    start = {'network.weights': 'fol_tiny', 'map_folder': str(tmp_path)}
    with bench(**start) as made:
        for name in ('network.weights', 'loops.session_file', 'retrieval.index_uri'):
            assert 'cannot change while map_folder is set' in made.set(name, '/etc/x.folmap')
        assert made.set('network.weights', 'fol_tiny') == ''
        assert 'leads out of' in made.set('map', '/etc/x.folmap')
        assert 'leads out of' in made.set('map', '../x.folmap')
        assert made.set('map', 'x.folmap') == made.set('map', '') == ''
        assert 'read-only' in made.set('map_folder', '/')


def test_what_the_loaded_network_and_map_are_made_of_is_fixed_while_configured():
    with bench() as made:
        assert made.set('network.input_size', 140) == made.set('map', 'a.folmap') == ''
        made.activate(Recognizer())
        assert 'clean up first' in made.set('network.input_size', 126)
        assert '~/load_map' in made.set('map', 'b.folmap')
        made.context.live_settings.set_map('c.folmap')
        assert made.context.settings.node.map == 'c.folmap'
        assert '~/load_map' in made.set('map', 'd.folmap')


def test_what_nobody_gave_is_taken_from_the_map_and_shown():
    with bench(**{'verification.speed': 3.0, 'scale': 'room'}) as made:
        live = made.context.live_settings
        config = live.recognizer_config(live.current)
        # A value that is given counts as given also where it is the default.
        assert 'verification.speed' in config.given and config.scale == 'room'
        assert 'verification.place_radius' not in config.given
        live.show(settings_in_use(config, {'verification.place_radius': 0.4}))
        # The scale that is given comes before the calibration.
        assert made.node.get_parameter('verification.place_radius').value == 0.3
        assert made.node.get_parameter('verification.speed').value == 3.0
        # What was shown was not given: another map brings its own.
        assert 'verification.place_radius' not in live.recognizer_config(live.current).given
        live.show(settings_in_use(live.recognizer_config(live.current)))
        assert made.node.get_parameter('verification.place_radius').value == 0.3


def test_what_is_set_while_the_node_runs_is_given_and_a_misfit_is_logged():
    with bench() as made:
        live, recognizer = made.context.live_settings, Recognizer()
        assert made.set('verification.place_radius', 10.0) == ''
        assert 'verification.place_radius' in live.recognizer_config(live.current).given
        assert made.set('verification.speed', 2.0) == ''
        live.apply(recognizer)
        assert recognizer.configs[-1].given >= {'verification.place_radius', 'verification.speed'}


def test_values_out_of_range_are_refused_and_change_nothing():
    with bench() as made:
        assert 'verification.probability' in made.set('verification.probability', 1.5)
        assert made.context.settings.verification.probability < 1


def test_what_a_map_replaces_lasts_until_the_next_configure():
    with bench() as made:
        settings = made.context.live_settings
        settings.begin(settings.read().changed({'network.input_size': 224}))
        assert settings.current.network.input_size == 224
        assert settings.read().network.input_size == 126


def test_a_wrong_value_at_the_start_is_an_error():
    with pytest.raises(InputError, match=r'write 2\.0'), bench(position_stddev=2):
        pass


def test_every_parameter_has_a_value():
    """One without a value would empty the answer to `ros2 param dump`, which asks for all."""
    with bench() as made:
        names = made.watch.call(ListParameters, 'list_parameters', ListParameters.Request())
        request = GetParameters.Request(names=names.result.names)
        response = made.watch.call(GetParameters, 'get_parameters', request)
        assert len(response.values) == len(request.names) > 60
        found = dict(zip(request.names, response.values, strict=True))
        values = {name: parameter_value_to_python(each) for name, each in found.items()}
        assert all(value is not None for value in values.values())
        assert values['camera_mount'] == values['image_range'] == []
        assert made.context.settings.node.camera_mount == ()
        for name in ('camera_mount', 'image_range'):
            assert found[name].type == ParameterType.PARAMETER_DOUBLE_ARRAY
        assert made.node.describe_parameter('image_range').read_only


def test_an_array_can_be_given_set_and_emptied():
    pose = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    with bench(camera_mount=pose, image_range=[0.0, 4095.0]) as made:
        assert made.context.settings.node.camera_mount == tuple(pose)
        assert made.context.settings.node.image_range == (0.0, 4095.0)
        assert 'read-only' in made.set('image_range', [])
        # The types that `ros2 param set` and `ros2 param load` give to `[]`.
        for kind in ('BOOL_ARRAY', 'BYTE_ARRAY', 'DOUBLE_ARRAY'):
            assert made.set('camera_mount', pose) == ''
            empty = Parameter('camera_mount', Parameter.Type[kind], [])
            (result,) = made.node.set_parameters([empty])
            assert result.successful, result.reason
            assert made.context.settings.node.camera_mount == ()
        assert made.set('camera_mount', [True]) != ''


def test_what_is_dumped_can_be_loaded_by_the_next_node(tmp_path):
    given = {'camera_mount': [0.0] * 6 + [1.0], 'map': '123', 'odom_gap': 1e-05}
    with bench(**given) as made:
        before = {name: each.value for name, each in made.node._parameters.items()}
    nested: dict = {}
    for name, value in before.items():
        *groups, key = name.split('.')
        part = nested
        for group in groups:
            part = part.setdefault(group, {})
        part[key] = list(value) if isinstance(value, (list, tuple, array.array)) else value
    file = tmp_path / 'dump.yaml'
    file.write_text(yaml.dump({'/localizer': {'ros__parameters': nested}}))
    rclpy.init(args=['x', '--ros-args', '--params-file', str(file)])
    node = Node('localizer')
    try:
        NodeContext(node, lambda: 'unconfigured')
        after = {name: each.value for name, each in node._parameters.items()}
        assert after == before
    finally:
        node.destroy_node()
        rclpy.shutdown()
