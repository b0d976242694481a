"""Which parameters a launch file gives to the node, and what wins, by the real rcl."""

from __future__ import annotations

from pathlib import Path

import pytest
import rclpy
from rclpy.node import Node

from fol_vpr.errors import InputError
from fol_vpr.ros.launching.arguments import (
    AUTOSTART,
    MAP,
    REPLAY,
    SUPERVISION,
    common_arguments,
    mapping_arguments,
)
from fol_vpr.ros.launching.parameters import (
    given_parameters,
    mapping_parameters,
    own_file,
    weak_parameters,
    without_parameters_for,
)
from fol_vpr.ros.node.parameters.settings import Settings, parameters

DEFAULTS = {
    each.name: each.default
    for each in [MAP, *common_arguments(Path('/share')), AUTOSTART, REPLAY, *SUPERVISION]
}
ALL = '/**:\n  ros__parameters:\n    {}: {}\n'
NAMED = 'localizer:\n  ros__parameters:\n    {}: {}\n'


def test_what_is_not_given_is_left_alone(tmp_path):
    """Otherwise SetParameter of a parent launch file would not reach the node."""
    assert given_parameters(DEFAULTS) == {}
    assert own_file({}, str(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []
    assert given_parameters({**DEFAULTS, 'map': 'none', 'autostart': 'False'}) == {
        'map': '',
        'autostart': False,
    }
    # The empty values of an include mean the same as the defaults.
    assert given_parameters(dict.fromkeys(DEFAULTS, '')) == {}


def parameters_of_node(folder: Path, words: list[str]) -> dict[str, object]:
    """Parameters that a node `localizer` gets by words of the command line."""
    context = rclpy.Context()
    rclpy.init(args=['--ros-args', '-r', '__node:=localizer', *words], context=context)
    node = Node('localizer', context=context, automatically_declare_parameters_from_overrides=True)
    try:
        return {name: value.value for name, value in node.get_parameters_by_prefix('').items()}
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


@pytest.mark.ros
@pytest.mark.parametrize(
    ('file', 'autostart', 'expected'),
    [
        ('', 'auto', True),
        ('', 'params_file', False),
        ('', 'false', False),
        (ALL.format('autostart', 'false'), 'auto', False),
        (NAMED.format('autostart', 'false'), 'auto', False),
        (NAMED.format('autostart', 'true'), 'params_file', True),
        # The last pattern of the file decides in rcl, but not where `/**` was mentioned before.
        (NAMED.format('autostart', 'false') + ALL.format('x', '1'), 'auto', False),
        (NAMED.format('autostart', 'false') + ALL.format('autostart', 'true'), 'auto', False),
        (ALL.format('autostart', 'true') + NAMED.format('autostart', 'true'), 'false', False),
        (NAMED.format('autostart', 'true') + ALL.format('autostart', 'true'), 'false', False),
    ],
)
def test_arguments_win_over_the_file_and_the_file_over_defaults(
    tmp_path, file, autostart, expected
):
    given = {**DEFAULTS, 'autostart': autostart}
    words = [*weak_parameters(given)]
    if file:
        (tmp_path / 'user.yaml').write_text(file)
        words += ['--params-file', str(tmp_path / 'user.yaml')]
    for path in own_file(given_parameters(given), str(tmp_path)):
        words += ['--params-file', path]
    assert parameters_of_node(tmp_path, words)['autostart'] is expected


@pytest.mark.ros
@pytest.mark.parametrize('session', ['0829', '1e5', 'n', 'infinity', '5', 'a: "b" é'])
def test_texts_stay_texts(tmp_path, session):
    """PyYAML leaves some of them without quotes, and rcl then reads numbers (0829, 1e5)."""
    words = ['--params-file', *own_file({'mapping.session': session}, str(tmp_path))]
    assert parameters_of_node(tmp_path, words)['mapping.session'] == session


@pytest.mark.parametrize(
    'content',
    [
        ALL.format('map', 'x'),
        NAMED.format('map', 'x').replace('localizer', '/robot/localizer'),
        NAMED.format('map', 'x').replace('localizer', 'robot/localizer'),
        NAMED.format('map', 'x').replace('localizer', '/*/localizer'),
        NAMED.format('map', 'x').replace('localizer', '/**/localizer'),
        'robot:\n  localizer:\n    ros__parameters:\n      map: x\n',
    ],
)
def test_a_file_with_parameters_for_the_node_is_fine(tmp_path, content):
    (tmp_path / 'p.yaml').write_text(content)
    assert without_parameters_for(str(tmp_path / 'p.yaml'), '/robot/localizer') == ''


@pytest.mark.parametrize(
    ('content', 'named'),
    [
        ('amcl:\n  ros__parameters:\n    x: 1\nbt_navigator:\n  ros__parameters: {}\n', '/amcl'),
        (NAMED.format('map', 'x'), '/localizer'),
        ('/*:\n  ros__parameters:\n    x: 1\n', r'/\*'),
        ('map: x\n', 'no node'),
        ('', 'no node'),
        ('- 1\n', 'no node'),
    ],
)
def test_a_file_without_parameters_for_the_node_is_told(tmp_path, content, named):
    """Such as nav2's, which an include without scope hands on."""
    (tmp_path / 'p.yaml').write_text(content)
    text = without_parameters_for(str(tmp_path / 'p.yaml'), '/robot/localizer')
    assert (
        f'/robot/localizer, which starts without any of it; it has some for {named}'.replace(
            '\\', ''
        )
        in text
    )


def test_a_file_that_is_no_yaml_is_refused(tmp_path):
    (tmp_path / 'p.yaml').write_text('a: [')
    with pytest.raises(InputError, match='is no YAML'):
        without_parameters_for(str(tmp_path / 'p.yaml'), '/localizer')


def test_a_node_that_builds_a_map_gets_what_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {each.name: each.default or '' for each in mapping_arguments()}
    given['output'] = 'new.folmap'
    fixed = {'autostart': True, 'map': '', 'mapping.output': str(tmp_path / 'new.folmap')}
    assert mapping_parameters(given) == fixed
    assert mapping_parameters({**given, 'poses': 'none', 'keyframe_angle': '20'}) == {
        **fixed,
        'mapping.poses': 'none',
        'mapping.keyframe_angle': 20.0,
    }
    words = dict.fromkeys(('poses', 'session'), 'none')
    lengths = dict.fromkeys(('keyframe_distance', 'keyframe_angle', 'keyframe_interval'), '1')
    known = {name for name, _, _ in parameters(Settings())}
    assert set(mapping_parameters({**given, **words, **lengths})) <= known
    with pytest.raises(InputError, match="keyframe_distance is '1 m'"):
        mapping_parameters({**given, 'keyframe_distance': '1 m'})
