"""What the log of the node says at its start."""

from __future__ import annotations

import os

import pytest
from helpers import live, scenes

from fol_vpr.ros.node.parameters.advice import LAUNCH_FILE_VARIABLE

WITHOUT_MAP = {'network.weights': 'untrained-vits14', 'network.input_size': 126}


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp('start')
    return live.small_map(scenes.write_folder(folder / 'images', 2), folder / 'm.folmap')


def test_active_without_a_map_is_a_warning_with_the_launch_argument(tmp_path, monkeypatch):
    """As after a misspelt argument, which launch ignores."""
    monkeypatch.setitem(os.environ, LAUNCH_FILE_VARIABLE, 'localize.launch.py')
    file = tmp_path / 'p.yaml'
    file.write_text(
        '/**:\n  ros__parameters:\n    odom_gap: 0.4\n'
        'localizer:\n  ros__parameters:\n    odom_gap: 0.5\n'
    )
    extra = ('--params-file', str(file), '-p', 'odom_gap:=0.6', '-r', 'image:=/eye')
    parameters = {**WITHOUT_MAP, 'autostart': True}
    with live.observer() as watch, live.localizer(tmp_path / 'log', parameters, *extra) as node:
        watch.until(lambda: watch.status('node')[1] == 'active')
        level, text = watch.until(
            lambda: watch.status('map') if 'no map' in watch.status('map')[1] else None
        )
        assert level == 2 and 'localize.launch.py with `map:=' in text
        log = node.log.read_text()
    (warning,) = (line for line in log.splitlines() if 'active without a map' in line)
    assert '[WARN]' in warning and 'start localize.launch.py with `map:=NAME.folmap`' in warning
    (active,) = (line for line in log.splitlines() if 'active, listening on' in line)
    assert '/eye' in active and '/image/compressed' in active
    (lost,) = (line for line in log.splitlines() if 'parameter odom_gap is' in line)
    assert '0.5' in lost and 'not 0.6' in lost and '-p localizer:odom_gap:=' in lost


def test_with_a_map_and_without_autostart_it_is_unconfigured(path, tmp_path):
    with live.observer() as watch, live.localizer(tmp_path / 'log', {'map': path}) as node:
        level, text = watch.until(
            lambda: watch.status('map') if 'map' in watch.diagnostics else None
        )
        assert (level, text) == (0, f'unconfigured: the map is {path}, and configure loads it')
        log = node.log.read_text()
        assert f'unconfigured (the map is {path} and is loaded by configure)' in log
        assert 'no map' not in log and '-p autostart:=true' in log
        assert watch.change('configure') and watch.change('activate')
        log = node.log.read_text()
    assert 'active, listening on /image, /image/compressed' in log
    assert 'without a map' not in log
