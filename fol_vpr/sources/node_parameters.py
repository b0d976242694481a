"""Reads the parameter file of a node of ROS 2, without ROS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from fol_vpr.errors import InputError
from fol_vpr.files import printable, read_text

_PARAMETERS = 'ros__parameters'
_LIMIT = 1 << 20
_DEPTH = 20
_TAG = 'tag:yaml.org,2002:'
# As strtoll with base 0 and then strtod, which rcl_yaml_param_parser calls.
_INTEGER = re.compile(r'[-+]?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)')
_FRACTION = re.compile(
    r'[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)'
)


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """PyYAML takes 4e-4 for a text, 1:30 for ninety and 1_000 for a number; rcl does not."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {  # noqa: RUF012
        first: [rule for rule in rules if rule[0] not in (f'{_TAG}int', f'{_TAG}float')]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


for _kind, _pattern in (('int', _INTEGER), ('float', _FRACTION)):
    _Loader.add_implicit_resolver(
        f'{_TAG}{_kind}', re.compile(f'(?:{_pattern.pattern})$'), list('-+.0123456789')
    )


def load_parameters(text: str) -> Any:
    """What a parameter file, or the value of a parameter, says.

    Args:
        text: YAML.

    Raises:
        yaml.YAMLError, ValueError, RecursionError: it is none.
    """
    return yaml.load(text, _Loader)  # noqa: S506 a SafeLoader


def read_node_parameters(path: str | Path, node: str) -> dict[str, Any]:
    """The parameters that a file gives to a node.

    Sections count in their order in the file, as rclpy applies them: a later one that matches
    the node overrides an earlier one, whether it names the node or is `/**`.

    Args:
        path: a YAML file.
        node: full name of the node, such as /robot1/localizer.

    Returns:
        Values by the name of the parameter, with dots between groups.

    Raises:
        InputError: no such file, no YAML, or no parameters in it.
    """
    path = Path(path).expanduser()
    text = read_text(path, 'a parameter file', _LIMIT)
    try:
        content = load_parameters(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f'{path} is no YAML: {printable(first)}') from error
    sections = list(_sections(content, '', 0))
    if not sections:
        raise InputError(
            f'{path} holds no parameters: expected `/**:` or the name of the node, and below it '
            f'`{_PARAMETERS}:` (config/localizer.yaml is an example)'
        )
    matching = [values for pattern, values in sections if matches(pattern, node)]
    if not matching:
        names = ', '.join(printable(pattern) for pattern, _ in sections)
        raise InputError(
            f'{path} gives parameters to {names}, and none to {node}: name it, or take /**'
        )
    found: dict[str, Any] = {}
    for values in matching:
        found.update(_flat(values, '', 0))
    return found


def _sections(content: Any, prefix: str, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The pattern of each section, and its values; namespaces may be nested."""
    if not isinstance(content, dict) or depth > _DEPTH:
        return
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, dict):
            continue
        name = f'{prefix}/{key.strip("/")}'
        if _PARAMETERS in value:
            if isinstance(value[_PARAMETERS], dict):
                yield name, value[_PARAMETERS]
        else:
            yield from _sections(value, name, depth + 1)


def _flat(values: dict[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        name = f'{prefix}{key}'
        if isinstance(value, dict) and depth < _DEPTH:
            yield from _flat(value, f'{name}.', depth + 1)
        else:
            yield name, value


def matches(pattern: str, node: str) -> bool:
    """Whether the pattern of a section names a node.

    `*` stands for one part of the name, `**` for any number of parts (design.ros2.org, node name
    wildcards).

    Args:
        pattern: such as /**, /robot1/localizer or /*/localizer.
        node: full name of the node.
    """
    parts = []
    for part in pattern.strip('/').split('/'):
        if part == '**':
            parts.append('(?:/[^/]+)*')
        else:
            parts.append('/' + re.escape(part).replace(r'\*', '[^/]*'))
    return re.fullmatch(''.join(parts), '/' + node.strip('/')) is not None
