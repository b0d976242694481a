"""Which parameters a launch file gives to the node, and what they win over; no `launch`.

In rcl (9.2) all parameter files and every `-p` merge into one list, ordered by where each node
pattern was first mentioned. The last pattern that matches the node decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from tempfile import NamedTemporaryFile
from typing import Any

import yaml

from fol_vpr.errors import InputError
from fol_vpr.files import read_text
from fol_vpr.ros.launching.arguments import AUTO
from fol_vpr.ros.launching.values import (
    expanded,
    flag,
    is_left,
    is_none,
    map_path,
    number,
    output_map,
)
from fol_vpr.sources.node_parameters import load_parameters

OWN_PATTERN = '/**/**'
"""Every node matches it and nobody else writes it, so that it is mentioned last and wins."""


class _QuotingDumper(yaml.SafeDumper):
    """Quotes all texts: PyYAML leaves 0829, 1e5 and n bare, which rcl takes for no texts."""


def _quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar('tag:yaml.org,2002:str', text, style='"')


_QuotingDumper.add_representer(str, _quoted)


def given_parameters(given: Mapping[str, str]) -> dict[str, Any]:
    """Parameters whose argument has a value of its own."""
    own: dict[str, Any] = {
        name: flag(name, given[name])
        for name in ('use_sim_time', 'autostart', 'replay')
        if name in given and not is_left(given[name], AUTO)
    }
    if not is_left(given.get('map', '')):
        own['map'] = '' if is_none(given['map']) else map_path(given['map'])
    if not is_left(given['weights']):
        own['network.weights'] = expanded(given['weights'])
    return own


def mapping_parameters(given: Mapping[str, str]) -> dict[str, Any]:
    """Parameters of a node that builds a map, for those arguments that have a value of their own.

    Args:
        given: value of each argument by its name.

    Raises:
        InputError: the map cannot be written, or a length is no number.
    """
    own: dict[str, Any] = {
        'autostart': True,
        'map': '',
        'mapping.output': output_map(given['output']),
    }
    for name in ('poses', 'session'):
        if not is_left(given[name]):
            own[f'mapping.{name}'] = given[name]
    for name in ('keyframe_distance', 'keyframe_angle', 'keyframe_interval'):
        if not is_left(given[name]):
            own[f'mapping.{name}'] = number(name, given[name])
    return own


def weak_parameters(given: Mapping[str, str]) -> list[str]:
    """What params_file, and SetParameter of a parent launch file, replace.

    It is given in any case: because the pattern `/**` is mentioned here first, an entry of a
    parameter file with the name of the node wins over one for all nodes, wherever it stands.
    """
    wanted = given.get('autostart', AUTO).strip().lower() in ('', AUTO)
    return ['-p', f'autostart:={str(wanted).lower()}']


def own_file(parameters: Mapping[str, Any], folder: str) -> list[str]:
    """Write a parameter file that wins over all others.

    Args:
        parameters: values by name; where there are none, no file is written.
        folder: to write it to.

    Returns:
        The path of the file, or nothing.
    """
    if not parameters:
        return []
    content = {OWN_PATTERN: {'ros__parameters': dict(parameters)}}
    with NamedTemporaryFile(
        'w', prefix='localizer_', suffix='.yaml', dir=folder, delete=False
    ) as file:
        yaml.dump(content, file, Dumper=_QuotingDumper)
    return [file.name]


def without_parameters_for(path: str, node: str) -> str:
    """What to tell of a parameter file that has nothing for a node; empty where it has.

    Args:
        path: of a parameter file.
        node: full name of the node, such as /robot/localizer.

    Raises:
        InputError: it cannot be read, or is no YAML.
    """
    try:
        content = load_parameters(read_text(path, 'a parameter file'))
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f'params_file:={path} is no YAML: {error}') from error
    patterns = list(_node_patterns(content, ''))
    if any(re.fullmatch(_as_expression(pattern), node) for pattern in patterns):
        return ''
    named = ', '.join(patterns[:8]) or 'no node'
    return (
        f'params_file {path} has no parameter for {node}, which starts without any of it; it has '
        f'some for {named}. Write them under `/**:` or `{node}:`, or give params_file:=none. A '
        'parent launch file with an argument params_file of its own hands it on, unless it '
        'includes this launch file in a group with scope'
    )


def _node_patterns(content: Any, above: str) -> Iterator[str]:
    """The names that stand above `ros__parameters`, nested namespaces joined."""
    if not isinstance(content, Mapping):
        return
    for key, value in content.items():
        if key == 'ros__parameters':
            yield above or '/'
        elif isinstance(key, str):
            yield from _node_patterns(value, f'{above}/{key.strip("/")}')


def _as_expression(pattern: str) -> str:
    words = {'**': r'(/\w+)*', '*': r'/\w+'}
    parts = pattern.strip('/').split('/')
    return ''.join(words.get(part, '/' + re.escape(part)) for part in parts)
