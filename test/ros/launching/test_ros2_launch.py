"""The launch files under the real `ros2 launch`, alone and included by others."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import ros2launch  # noqa: F401 the module is skipped where it is missing
from helpers import live, scenes
from helpers.processes.launching import (
    PATIENCE,
    environment,
    launch_folder,
    ros2_launch,
    run_launch,
)
from rcl_interfaces.srv import GetParameters

from fol_vpr.ros.fast_dds import PROFILE_VARIABLES

pytestmark = [
    pytest.mark.ros,
    pytest.mark.skipif(launch_folder() is None, reason='fol_vpr is not built'),
]
UNSET = dict.fromkeys(PROFILE_VARIABLES)

# A launch file of a robot, with the names that nav2's have: `map` is the picture of a floor.
PARENT_PY = """
from launch import LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription, DeclareLaunchArgument
from launch_ros.actions import PushRosNamespace, SetParameter

def generate_launch_description():
    include = IncludeLaunchDescription('{launch}/localize.launch.py', launch_arguments=[
        ('map', 'none'), ('params_file', 'none'), ('namespace', 'none'), ('autostart', 'false'),
        ('image_topic', '/front/compressed')])
    return LaunchDescription([
        SetParameter('verification.consecutive', 5),
        DeclareLaunchArgument('map', default_value='floor.yaml'),
        GroupAction([PushRosNamespace('python'), include]),
        IncludeLaunchDescription('{folder}/parent.launch.xml'),
        IncludeLaunchDescription('{folder}/parent.launch.yaml'),
        IncludeLaunchDescription('{folder}/neighbour.launch.py'),
    ])
"""
PARENT_XML = """
<launch>
  <group scoped="true">
    <include file="{launch}/localize.launch.py">
      <arg name="map" value=""/>
      <arg name="autostart" value="False"/>
      <arg name="namespace" value="xml"/>
      <arg name="params_file" value="{folder}/user.yaml"/>
    </include>
  </group>
</launch>
"""
PARENT_YAML = """
launch:
- group:
    scoped: true
    children:
    - include:
        file: {launch}/localize.launch.py
        arg:
        - {{name: map, value: none}}
        - {{name: autostart, value: 'false'}}
        - {{name: namespace, value: yaml}}
        - {{name: image_transport, value: raw}}
"""
# What stands after the includes, as nav2's bring-up would.
NEIGHBOUR = """
import sys
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess
from launch.substitutions import LaunchConfiguration

def generate_launch_description():
    names = ['map', 'params_file', 'autostart', 'image_topic']
    show = ('import os, sys; '
            'print("neighbour", sys.argv[1:], [n for n in os.environ if "PROFILES" in n])')
    return LaunchDescription([
        *(DeclareLaunchArgument(name, default_value='own') for name in names),
        ExecuteProcess(cmd=[sys.executable, '-c', show, *map(LaunchConfiguration, names)],
                       output='screen'),
    ])
"""
USER = 'localizer:\n  ros__parameters: {verification.probability: 0.7}\n' \
    '/**:\n  ros__parameters: {verification.probability: 0.8, verification.consecutive: 7}\n' \
    '/xml/localizer:\n  ros__parameters: {image_timeout: 9.0}\n'  # fmt: skip


def parameters(watch: live.Observer, node: str, names: list[str]) -> list[object]:
    """Values of parameters of a running node."""
    watch.name = node
    answer = watch.call(GetParameters, 'get_parameters', GetParameters.Request(names=names))
    fields = {1: 'bool_value', 2: 'integer_value', 3: 'double_value', 4: 'string_value'}
    return [getattr(value, fields[value.type]) for value in answer.values]


def wait_for(log: Path, words: str) -> str:
    """What the log holds, once it holds certain words."""
    deadline = time.monotonic() + PATIENCE
    while words not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    return log.read_text()


def test_includes_from_python_xml_and_yaml(tmp_path):
    texts = {
        'parent.launch.py': PARENT_PY,
        'parent.launch.xml': PARENT_XML,
        'parent.launch.yaml': PARENT_YAML,
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text.format(launch=launch_folder(), folder=tmp_path))
    (tmp_path / 'neighbour.launch.py').write_text(NEIGHBOUR)
    (tmp_path / 'user.yaml').write_text(USER)
    names = ['verification.consecutive', 'verification.probability', 'image_transport', 'map']
    log = tmp_path / 'log'
    with (
        live.observer() as watch,
        ros2_launch([tmp_path / 'parent.launch.py'], log, environment(**UNSET)),
    ):
        # SetParameter of the parent reaches a node to which no file is given, ...
        assert parameters(watch, '/python/localizer', names) == [5, 0.95, 'compressed', '']
        assert parameters(watch, '/yaml/localizer', names) == [5, 0.95, 'raw', '']
        # ... and a file wins over it.
        assert parameters(watch, '/xml/localizer', names) == [7, 0.8, 'auto', '']
        assert parameters(watch, '/xml/localizer', ['image_timeout', 'autostart']) == [9.0, False]
        text = wait_for(log, 'neighbour [')
        assert watch.node.count_subscribers('/front/compressed') == 0
    assert "neighbour ['floor.yaml', 'own', 'own', 'own'] []" in text
    assert 'image_topic /front/compressed is taken for transport compressed of /front' in text


def test_it_brings_the_node_up_and_down(tmp_path):
    map_path = live.small_map(scenes.write_folder(tmp_path / 'images', 2), tmp_path / 'm.folmap')
    arguments = [f'map:={map_path}', 'image_topic:=/front', 'namespace:=robot', 'replay:=true']
    with live.observer() as watch:
        watch.name = '/robot/localizer'
        log = tmp_path / 'log'
        with ros2_launch(['fol_vpr', 'localize.launch.py', 'mpa:=x', *arguments], log) as process:
            watch.until(lambda: watch.status('node')[1].startswith('active'))
            assert watch.node.count_subscribers('/front') == 1
            assert watch.node.count_subscribers('/front/compressed') == 1
            assert parameters(watch, '/robot/localizer', ['map', 'replay']) == [
                str(map_path),
                True,
            ]
    text = log.read_text()
    assert not any(Path(f'/proc/{number}').exists() for number in process_ids(text))
    assert 'process has finished cleanly' in text and process.returncode == 0
    assert 'has no argument mpa, which is ignored: did you mean map:=?' in text


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['params_file:=~/no_such_file.yaml'], 'params_file:=~/no_such_file.yaml: '),
        (['map:=/maps/floor.yaml'], 'map is /maps/floor.yaml, a file of another package'),
        (['respawn:=true', 'required:=true'], 'respawn and required are both true'),
    ],
)
def test_a_wrong_value_starts_nothing(tmp_path, arguments, message):
    code, text = run_launch(['fol_vpr', 'localize.launch.py', *arguments], tmp_path / 'log')
    assert code == 1
    assert message in text and 'process started' not in text


def test_a_wrong_value_in_an_include_leaves_nothing_running(tmp_path):
    parent = tmp_path / 'parent.launch.py'
    parent.write_text(
        'from launch import LaunchDescription\n'
        'from launch.actions import ExecuteProcess, IncludeLaunchDescription\n'
        'def generate_launch_description():\n'
        '    return LaunchDescription([\n'
        "        ExecuteProcess(cmd=['sleep', '1000']),\n"
        f"        IncludeLaunchDescription('{launch_folder()}/localize.launch.py',\n"
        "                                 launch_arguments=[('map', 'floor.yaml')])])\n"
    )
    code, text = run_launch([parent], tmp_path / 'log')
    (sleeper,) = process_ids(text)
    assert code == 1 and 'a file of another package' in text
    assert not Path(f'/proc/{sleeper}').exists()


def test_a_required_node_that_ends_ends_the_launch_with_1(tmp_path):
    bad = tmp_path / 'bad.yaml'
    bad.write_text('/**:\n  ros__parameters: {replay_queue: -1}\n')
    words = ['fol_vpr', 'localize.launch.py', f'params_file:={bad}', 'autostart:=false']
    code, text = run_launch([*words, 'required:=true'], tmp_path / 'required')
    assert code == 1 and 'the node localizer has ended (exit code 2)' in text
    # What `ros2 launch` does by itself.
    code, text = run_launch(words, tmp_path / 'plain')
    assert code == 0 and 'exit code 2' in text


def test_a_node_is_respawned_and_the_stop_stops_it(tmp_path):
    log = tmp_path / 'log'
    words = ['autostart:=false', 'respawn:=true', 'respawn_delay:=0']
    with ros2_launch(['fol_vpr', 'localize.launch.py', *words], log) as process:
        wait_for(log, 'unconfigured')
        first = process_ids(log.read_text())[0]
        os.kill(first, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        while len(process_ids(log.read_text())) < 2:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
    assert process.returncode == 0
    assert len(process_ids(log.read_text())) == 2


def process_ids(log: str) -> list[int]:
    """Ids of the nodes that the log says were started."""
    return [int(line.rsplit('[', 1)[1].rstrip(']')) for line in log.splitlines()
            if 'process started with pid [' in line]  # fmt: skip


@pytest.mark.parametrize(
    ('name', 'required'),
    [('localize', 0), ('map', 1), ('evaluate', 2), ('demo', 1)],
)
def test_all_arguments_are_shown(tmp_path, name, required):
    code, text = run_launch(['fol_vpr', f'{name}.launch.py', '--show-args'], tmp_path / 'log')
    assert code == 0
    names = text.count("':\n")
    assert names >= 15 and text.count('(default: ') == names - required
    assert "(default: '')" not in text and '*' not in text


def drive(folder: Path) -> tuple[Path, Path]:
    """A map of two images, and a bag of them."""
    images = scenes.write_folder(folder / 'images', 2)
    bag = folder / 'bag'
    written = live.fol_vpr('bag', 'from-images', images, '--rate', '5', '--output', bag)
    assert written.wait(PATIENCE) == 0
    return live.small_map(images, folder / 'm.folmap'), bag


def test_a_bag_is_evaluated(tmp_path):
    map_path, bag = drive(tmp_path)
    words = [f'map:={map_path}', f'bag:={bag}', f'output:={tmp_path / "results"}']
    code, text = run_launch(['fol_vpr', 'evaluate.launch.py', *words], tmp_path / 'log')
    assert code == 0, text
    assert '2 of 2 queries were answered' in text
    names = {path.name for path in (tmp_path / 'results').iterdir()}
    assert names == {'answers', 'answers.png', 'queries.csv', 'report.json'}
    code, text = run_launch(['fol_vpr', 'evaluate.launch.py', *words], tmp_path / 'again')
    assert code == 1 and 'holds the answers of an earlier run: give another output' in text


def test_a_map_is_built_while_a_bag_is_played(tmp_path):
    _, bag = drive(tmp_path)
    output, log = tmp_path / 'built.folmap', tmp_path / 'log'
    words = [f'output:={output}', 'poses:=none', 'image_topic:=/camera/image', 'replay:=true']
    with ros2_launch(['fol_vpr', 'map.launch.py', *words], log) as process:
        wait_for(log, 'active, listening on')
        played = live.fol_vpr('bag', 'play', bag, '--rate', '0')
        assert played.wait(PATIENCE) == 0
        wait_for(log, 'begins with the session')
    assert process.returncode == 0
    assert f'{output} is saved' in log.read_text()
    assert [path.name for path in tmp_path.glob('built*')] == ['built.folmap']


def test_the_demo_builds_a_map_and_plays_the_bag(tmp_path):
    _, bag = drive(tmp_path)
    words = [f'bag:={bag}', f'output:={tmp_path / "demo"}', 'loop:=false', 'rate:=0']
    code, text = run_launch(['fol_vpr', 'demo.launch.py', *words], tmp_path / 'log')
    assert code == 0, text
    assert 'sent 2 on /camera/image/compressed' in text
    assert (tmp_path / 'demo' / 'map.folmap').is_file()


def test_a_step_that_fails_ends_the_launch_with_1(tmp_path):
    _, bag = drive(tmp_path)
    words = [f'bag:={bag}', f'output:={tmp_path / "demo"}', 'weights:=no_such_weights']
    code, text = run_launch(['fol_vpr', 'demo.launch.py', *words], tmp_path / 'log')
    assert code == 1 and 'building the map failed with exit code' in text
