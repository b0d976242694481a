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
