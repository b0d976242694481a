"""Advice in the log names what the reader of the log has started."""

from __future__ import annotations

from fol_vpr.ros.node.parameters.advice import ARGUMENTS, OF_LAUNCH, how_to_remap, how_to_set
from fol_vpr.ros.node.parameters.settings import Settings, parameters

LAUNCHED = {'FOL_VPR_LAUNCH_FILE': 'localize.launch.py'}


def test_without_launch_it_names_parameters():
    assert how_to_set('map', 'a.folmap', {}) == (
        'start it with `-p map:=a.folmap` behind --ros-args'
    )
    assert '-r image:=/cam' in how_to_remap('image', '/cam', {})


def test_with_launch_it_names_arguments():
    assert how_to_set('map', 'a.folmap', LAUNCHED) == (
        'start localize.launch.py with `map:=a.folmap`'
    )
    assert '`weights:=fol_tiny`' in how_to_set('network.weights', 'fol_tiny', LAUNCHED)
    assert 'params_file' in how_to_set('odom_gap', '0.5', LAUNCHED)
    assert '`image_topic:=/cam`' in how_to_remap('image', '/cam', LAUNCHED)
    assert '-r image/video:=/cam' in how_to_remap('image/video', '/cam', LAUNCHED)


def test_every_parameter_that_it_knows_exists():
    names = {name for name, _, _ in parameters(Settings())} | {'use_sim_time'}
    assert names >= OF_LAUNCH and ARGUMENTS.keys() <= OF_LAUNCH
