"""The configurations of RViz and Foxglove name topics that the node has, and known classes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CONFIG = Path(__file__).resolve().parents[2] / 'config'
# As the node publishes them, relative to its namespace.
TOPICS = {'places', 'markers', 'pose', 'debug/match/compressed'}
# Of ros2/rviz (rviz_default_plugins/plugins_description.xml).
DISPLAYS = {'Grid', 'MarkerArray', 'PoseWithCovariance', 'Image'}
# Panels of Foxglove and Lichtblick.
PANELS = {'3D', 'Image', 'StateTransitions', 'Plot', 'RawMessages', 'DiagnosticSummary'}


def leaves(layout: Any) -> Iterator[str]:
    if isinstance(layout, str):
        yield layout
    else:
        assert layout['direction'] in ('row', 'column') and 0 < layout['splitPercentage'] < 100
        for side in ('first', 'second'):
            yield from leaves(layout[side])


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)


def test_rviz_shows_topics_of_the_node():
    manager = yaml.safe_load((CONFIG / 'fol_vpr.rviz').read_text())['Visualization Manager']
    displays = manager['Displays']
    assert {each['Class'].removeprefix('rviz_default_plugins/') for each in displays} == DISPLAYS
    topics = {each['Topic']['Value'] for each in displays if 'Topic' in each}
    assert topics <= {f'localizer/{name}' for name in TOPICS}
    assert manager['Global Options']['Fixed Frame'] == 'map'


def test_foxglove_shows_topics_of_the_node():
    layout = json.loads((CONFIG / 'foxglove_layout.json').read_text())
    panels = layout['configById']
    assert sorted(leaves(layout['layout'])) == sorted(panels)
    assert {name.partition('!')[0] for name in panels} == PANELS
    named = {text for text in texts(panels) if text.startswith('/localizer/')}
    assert {name.removeprefix('/localizer/').partition('.')[0] for name in named} == TOPICS
    assert panels['DiagnosticSummary!all']['topicToRender'] == '/diagnostics'
