"""Writes config/localizer.yaml and docs/reference/parameters.md from the settings.

    python -m fol_vpr.ros.node.parameters.documentation

in the root of a checkout, after a setting was changed.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import Field, fields
from itertools import groupby
from pathlib import Path
from typing import Any

from fol_vpr.ros.node.parameters.settings import FIXED_WHILE_CONFIGURED, Settings, parameters

YAML_PATH = Path('config/localizer.yaml')
MARKDOWN_PATH = Path('docs/reference/parameters.md')
WIDTH = 99
PRECEDENCE = """
## What wins among parameter files and -p

ROS (rclpy 7.1.6, rcl 9.2.8) puts all parameter files and every `-p` into one list of node names,
each at the place where it was *first mentioned*; a `-p name:=value` is for `/**`, that is for all
nodes. Of all entries that match the node, the last one that has the parameter wins. Usually that
is what was given last:

| given, in this order | in force |
| --- | --- |
| `/**` in a file, `-p` | the `-p` |
| `localizer` in a file, `-p` | the `-p` |
| `localizer` and then `/**` in a file, `-p` | the `-p` |
| `/**` in a file, `/**` in a second one | the second file |
| `localizer` in a file, `localizer` in a second one | the second file |
| `localizer` in a file, `/**` in a second one | the second file |
| `/**` in a file, `localizer` in a second one | the second file |
| a `-p`, `localizer` in a file | the file |
| `/**` and then `localizer` in a file | `localizer` |
| `/**` and then `localizer` in a file, `-p localizer:` | the `-p` |

Where a name was mentioned before, what is given last loses. The node then says so in its log at
the start, with both values, where they stand, and what to write:

| given, in this order | in force | remedy |
| --- | --- | --- |
| `localizer` and then `/**` in a file | `/**` | (2) |
| `/**` and then `localizer` in a file, `-p` | `localizer` | (1) |
| `/**` for any parameter and then `localizer` in a file, `-p` | `localizer` | (1) |
| another `-p`, `localizer` in a file, `-p` | `localizer` | (1) |
| `localizer` and then `/**` in a file, `-p localizer:` | `/**` | `-p name:=value` |
| `localizer` and then `/**` in a file, `localizer` in a second one | `/**` | (2) |
| `/**` and then `localizer` in a file, `/**` in a second one | `localizer` | (2) |

(1) `-p localizer:name:=value`. (2) One name for both, `/**` or `localizer`.

Under one and the same name, which `/**` may be in all files, the later file and the later `-p`
always win. `localizer` is the node without a namespace: for a node in a namespace write
`/robot1/localizer` or `/**/localizer`, and on the command line, where a name may have no slash,
`-p name:=value`. A file or a `-p` that seems to be meant for the node, and names another, is told
in the log too. `SetParameter` in a launch file is a `-p` before all files.

`ros2 param dump /localizer > now.yaml` writes all parameters as they are; `--params-file now.yaml`
starts a node with the same.
"""


def parameter_yaml() -> str:
    """A parameter file with every parameter at its default, explained."""
    lines = [
        '# Every parameter of the node `localizer`, at its default; copy it and keep what you',
        '# change. `/**` gives the values to the node under any name and namespace.',
        '# Generated from fol_vpr/config/ by',
        '# `python -m fol_vpr.ros.node.parameters.documentation`.',
        '/**:',
        '  ros__parameters:',
    ]
    for group, members in _grouped():
        indent = 4 if group == 'node' else 6
        if group != 'node':
            lines += ['', f'    {group}:']
        for number, (name, spec, default) in enumerate(members):
            if number or group == 'node':
                lines.append('')
            lines += _comment(f'{spec.metadata["description"]} {_constraints(name, spec)}', indent)
            lines.append(f'{" " * indent}{spec.name}: {_yaml_value(default)}')
    return '\n'.join(lines) + '\n'


def parameter_markdown() -> str:
    """The parameters as tables in Markdown."""
    lines = [
        '# Parameters of the node `localizer`',
        '',
        'Every parameter with its default, the values that it may have, and when a change takes',
        'effect. `config/localizer.yaml` is the same as a parameter file to copy. The command',
        'line has the settings as options of the same name: `verification.place_radius` is',
        '`--place-radius`. What to change first: [tune](../how-to/tune.md).',
        '',
        '| column *changes* | means |',
        '| --- | --- |',
        '| read-only | set at start, by `--ros-args -p name:=value` or a parameter file |',
        '| at configure | may be set while the node is unconfigured; takes effect at configure |',
        '| any time | takes effect with the next image |',
        '',
        'A value outside the allowed range is refused with the reason, and nothing changes. A',
        'float needs its decimal point in YAML and on the command line: `10.0`.',
        '',
        'Besides these, every subscription to images has read-only QoS overrides by its resolved',
        'name, such as `qos_overrides./camera/image_raw.subscription.reliability: reliable` (also',
        '`history`, `depth`).',
        '',
        'This page is generated from the settings in `fol_vpr/config/` by',
        '`python -m fol_vpr.ros.node.parameters.documentation`.',
        '',
        *PRECEDENCE.strip().splitlines(),
    ]
    for group, members in _grouped():
        part = next(f for f in fields(Settings()) if f.name == group)
        lines += ['', f'## {"Node" if group == "node" else group}', '']
        lines += [f'{_summary(part.default_factory)}', '']
        lines += [
            '| name | default | allowed | changes | meaning |',
            '| --- | --- | --- | --- | --- |',
        ]
        for name, spec, default in members:
            lines.append(
                f'| `{name}` | `{_yaml_value(default)}` | {_allowed(spec)} '
                f'| {_changes(name, spec)} | {spec.metadata["description"]} |'
            )
    return '\n'.join(lines) + '\n'


def write_parameter_docs(root: Path) -> None:
    """Write both files below `root`."""
    (root / YAML_PATH).write_text(parameter_yaml())
    (root / MARKDOWN_PATH).write_text(parameter_markdown())


def _grouped() -> Iterator[tuple[str, list[tuple[str, Field[Any], Any]]]]:
    named = parameters(Settings())
    for group, members in groupby(named, lambda item: item[0].rpartition('.')[0] or 'node'):
        yield group, list(members)


def _summary(config: Any) -> str:
    return (config.__doc__ or '').strip().splitlines()[0]


def _comment(text: str, indent: int) -> list[str]:
    return textwrap.wrap(
        text.strip(),
        WIDTH,
        initial_indent=f'{" " * indent}# ',
        subsequent_indent=f'{" " * indent}# ',
    )


def _constraints(name: str, spec: Field[Any]) -> str:
    allowed, changes = _allowed(spec), _changes(name, spec)
    parts = [text for text in (allowed, '' if changes == 'any time' else changes) if text]
    return f'({"; ".join(parts)})' if parts else ''


def _allowed(spec: Field[Any]) -> str:
    meta = spec.metadata
    if meta['choices']:
        return ', '.join(meta['choices'])
    low, high = meta['minimum'], meta['maximum']
    if low is None and high is None:
        return ''
    if high is None:
        return f'at least {low:g}'
    return f'{low:g} to {high:g}'


def _changes(name: str, spec: Field[Any]) -> str:
    if spec.metadata['read_only']:
        return 'read-only'
    return 'at configure' if name in FIXED_WHILE_CONFIGURED else 'any time'


def _yaml_value(value: Any) -> str:
    return json.dumps(value)


if __name__ == '__main__':
    write_parameter_docs(Path())
