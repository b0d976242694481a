"""What the values of launch arguments mean, and which names nobody has."""

from __future__ import annotations

from pathlib import Path

import pytest

from fol_vpr.errors import InputError
from fol_vpr.ros.launching.arguments import AUTOSTART, MAP, REPLAY, SUPERVISION, common_arguments
from fol_vpr.ros.launching.values import (
    doubled_namespace,
    flag,
    image_topics,
    is_left,
    is_none,
    map_path,
    number,
    output_folder,
    output_map,
    readable_file,
    unused_names,
)

ARGUMENTS = [MAP, *common_arguments(Path('/share')), AUTOSTART, REPLAY, *SUPERVISION]
NAMES = [each.name for each in ARGUMENTS]


def test_every_default_can_be_typed():
    """`ros2 launch` refuses NAME:= without a value."""
    assert all(each.default for each in ARGUMENTS)
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize('value', ['params_file', '', ' Params_File '])
def test_a_word_leaves_the_setting_to_the_parameter_file(value):
    assert is_left(value)
    assert not is_left('none')


@pytest.mark.parametrize('value', ['none', 'None', ''])
def test_a_word_stands_for_nothing(value):
    assert is_none(value)
    assert not is_none('params_file')


def test_truth_values_are_those_of_launch():
    assert [flag('x', word) for word in ('true', 'True', '1', 'false', 'False', '0')] == [
        *[True] * 3,
        *[False] * 3,
    ]
    with pytest.raises(InputError, match="replay is 'ja', expected true or false"):
        flag('replay', 'ja')


@pytest.mark.parametrize('value', ['-1', 'soon', 'nan', 'inf', ''])
def test_a_delay_is_a_number(value):
    assert number('respawn_delay', '2.5') == 2.5
    with pytest.raises(InputError, match='respawn_delay is'):
        number('respawn_delay', value)


# ---- files


def test_home_is_expanded_everywhere(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'site.folmap').touch()
    (tmp_path / 'p.yaml').write_text('/**: {}')
    assert map_path('~/site.folmap') == str(tmp_path / 'site.folmap')
    assert readable_file('params_file', '~/p.yaml', 'it') == str(tmp_path / 'p.yaml')
    with pytest.raises(InputError, match='no path'):
        map_path('~nobody_of_this_name/x.folmap')


def test_a_map_in_the_working_folder_is_named_in_full(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'site.folmap').touch()
    assert map_path('site.folmap') == str(tmp_path / 'site.folmap')
    # It may lie in the parameter map_folder.
    assert map_path('elsewhere.folmap') == 'elsewhere.folmap'


@pytest.mark.parametrize('name', ['floor.yaml', '/maps/floor.PGM', 'pose.posegraph', 'rtabmap.db'])
def test_a_map_of_another_package_is_refused(name):
    with pytest.raises(InputError, match=r'expected a \.folmap.*GroupAction'):
        map_path(name)


@pytest.mark.parametrize('name', ['missing.yaml', '.'])
def test_a_file_that_is_not_there_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match='params_file:='):
        readable_file('params_file', name, 'a parameter file')


# ---- topics


@pytest.mark.parametrize('ending', ['compressed', 'ffmpeg', 'video'])
def test_the_ending_of_a_transport_chooses_it(ending):
    topic = f'/camera/image_raw/{ending}'
    assert image_topics(topic, '') == ('/camera/image_raw', ending)
    assert image_topics(topic, 'auto') == ('/camera/image_raw', ending)
    assert image_topics(topic, ending) == ('/camera/image_raw', ending)
    # Raw images may have such a name.
    assert image_topics(topic, 'raw') == (topic, 'raw')
    with pytest.raises(InputError, match='give the topic without'):
        image_topics(topic, 'video' if ending != 'video' else 'ffmpeg')


@pytest.mark.parametrize(
    'topic',
    ['/front/image', 'image', '/compressed', 'video', '/video_1', '/a/compressed/b', '~/x'],
)
def test_other_topics_stay(topic):
    assert image_topics(topic, '') == (topic, '')


@pytest.mark.parametrize('topic', ['', '/', '/camera/', '/a//b', '/a b', '/a/compressed/', '-x'])
def test_what_is_no_topic_is_refused(topic):
    with pytest.raises(InputError, match='expected a topic such as'):
        image_topics(topic, '')


def test_an_unknown_transport_is_refused():
    with pytest.raises(InputError, match='expected one of auto, raw, compressed, ffmpeg, video'):
        image_topics('/front', 'jpeg')


# ---- names


@pytest.mark.parametrize(
    ('given', 'meant'),
    [
        ('mpa', 'map'),
        ('image_topc', 'image_topic'),
        ('weight', 'weights'),
        ('param_file', 'params_file'),
        ('auto_start', 'autostart'),
        ('use_simtime', 'use_sim_time'),
        ('colour', ''),
    ],
)
def test_a_name_that_nobody_has_is_told(given, meant):
    assert unused_names(['map', given], NAMES, is_included=False) == [(given, meant)]
    # A parent launch file has arguments of its own: only what looks misspelt is told.
    assert unused_names(['map', given], NAMES, is_included=True) == [(given, meant)] * bool(meant)


def test_names_that_launch_reads_are_known():
    given = ['launch-prefix', 'emulate_tty', 'sigterm_timeout', 'ros_namespace', *NAMES]
    assert unused_names(given, NAMES, is_included=False) == []


# ---- namespaces


def test_a_namespace_that_was_pushed_already_is_told():
    """nav2's bring-up pushes its argument `namespace`, which an include hands on."""
    text = doubled_namespace('/robot1', 'robot1', 'localizer')
    assert (
        'the node is /robot1/robot1/localizer. For /robot1/localizer give namespace:=none' in text
    )
    assert doubled_namespace('fleet/robot1', 'robot1', 'localizer')
    for pushed, namespace in (('', 'a'), ('/a', ''), ('/a', '/a'), ('/ba', 'a'), ('/a', 'b')):
        assert doubled_namespace(pushed, namespace, 'localizer') == ''


# ---- where results go


def test_a_map_is_written_where_it_can_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert output_map('new.folmap') == str(tmp_path / 'new.folmap')
    with pytest.raises(InputError, match=r'expected a path that ends in \.folmap'):
        output_map('new.yaml')
    with pytest.raises(InputError, match=f'there is no folder {tmp_path}/nowhere: make it first'):
        output_map('nowhere/new.folmap')


def test_a_folder_for_results_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    assert output_folder('~/a/b') == tmp_path / 'a' / 'b' and (tmp_path / 'a' / 'b').is_dir()
    (tmp_path / 'file').touch()
    with pytest.raises(InputError, match='which cannot be made: Not a directory'):
        output_folder(str(tmp_path / 'file' / 'x'))
