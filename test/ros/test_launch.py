"""localize.launch.py: its arguments everywhere, the real thing where launch is installed."""

from __future__ import annotations

import ast
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAUNCH_FILE = ROOT / 'launch' / 'localize.launch.py'

RUN = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
arguments = [tuple(word.split(':=', 1)) for word in sys.argv[2:]]
source = PythonLaunchDescriptionSource(sys.argv[1])
service = LaunchService()
included = IncludeLaunchDescription(source, launch_arguments=arguments)
service.include_launch_description(LaunchDescription([included]))
sys.exit(service.run())
"""


def declared() -> list[str]:
    """Names of the launch arguments, without importing launch."""
    for node in ast.walk(ast.parse(LAUNCH_FILE.read_text())):
        target = getattr(node, 'targets', [None])[0]
        if isinstance(node, ast.Assign) and getattr(target, 'id', '') == 'ARGUMENTS':
            return [key.value for key in node.value.keys]
    raise AssertionError('no ARGUMENTS')


def test_every_argument_is_documented():
    text = (ROOT / 'docs' / 'reference' / 'interfaces.md').read_text()
    section = text.partition('### Launch arguments')[2].partition('\n## ')[0]
    assert re.findall(r'^\| `(\w+)`', section, re.MULTILINE) == declared()
    wanted = {'map', 'weights', 'image_topic', 'params_file', 'use_sim_time', 'namespace'}
    assert wanted | {'autostart', 'log_level'} <= set(declared())


@pytest.mark.ros
def test_it_brings_the_node_up_and_down(tmp_path):
    pytest.importorskip('launch')
    pytest.importorskip('launch_ros')
    from ament_index_python.packages import PackageNotFoundError, get_package_prefix
    from helpers import live, scenes

    try:
        get_package_prefix('fol_vpr')
    except PackageNotFoundError:
        pytest.skip('fol_vpr is not built')
    map_path = live.small_map(scenes.write_folder(tmp_path / 'images', 2), tmp_path / 'm.folmap')
    arguments = [f'map:={map_path}', 'image_topic:=/front', 'namespace:=robot', 'replay:=true']
    command = [sys.executable, '-c', RUN, str(LAUNCH_FILE), *arguments]
    with live.observer() as watch:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            watch.name = '/robot/localizer'
            watch.until(lambda: watch.status('node')[1] == 'active')
            assert watch.node.count_subscribers('/front') == 1
            assert watch.node.count_subscribers('/front/compressed') == 1
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=live.PATIENCE)
        finally:
            process.kill()
        assert b'process has finished cleanly' in output
