"""Finds parameters that were given at the start and did not take effect.

rcl (9.2) puts all parameter files and every `-p` into one list of node patterns, each at the place
where it was first mentioned; rclpy takes, of all patterns that match the node, the last one that
has the parameter. What is given later therefore loses where its pattern was mentioned earlier.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

import yaml
from rclpy.node import Node

from fol_vpr.errors import FolVprError
from fol_vpr.files import printable, read_text
from fol_vpr.sources.node_parameters import load_parameters

ALL_NODES = '/**'
SEVERAL = 2
"""So many parameters of this node under the name of another one were probably meant for this."""
_FILE_FLAG = '--params-file'
_RULE_FLAGS = ('-p', '--param')


class Given(NamedTuple):
    """A value that was given for a parameter.

    Attributes:
        name: of the parameter.
        value: as PyYAML reads it, which is nearly as rcl does.
        pattern: the nodes that it is for, such as `/**` or `localizer`.
        source: the file or the `-p` that it stands in; the later it was given, the higher.
        origin: the same for people.
    """

    name: str
    value: Any
    pattern: str
    source: int
    origin: str


def given_parameters(arguments: Sequence[str]) -> list[Given]:
    """What parameter files and `-p` among the arguments of a process give, in their order.

    Args:
        arguments: of the process, which rclpy.init has accepted.
    """
    found: list[Given] = []
    in_ros = False
    words = iter(enumerate(arguments))
    for source, word in words:
        if word in ('--ros-args', '--'):
            in_ros = word == '--ros-args'
        elif in_ros and word == _FILE_FLAG:
            found += _of_file(next(words, (0, ''))[1], source)
        elif in_ros and word in _RULE_FLAGS:
            found += _of_rule(next(words, (0, ''))[1], source)
    return found


def _of_file(path: str, source: int) -> Iterator[Given]:
    try:
        content = load_parameters(read_text(path, 'a parameter file'))
    except (FolVprError, yaml.YAMLError, RecursionError, ValueError):
        # rcl has read it. Whatever PyYAML does not read of it is not compared.
        return
    for pattern, values in _sections(content, ''):
        for name, value in _flat(values, ''):
            yield Given(name, value, pattern, source, f'{path} (under `{pattern}`)')


def _of_rule(rule: str, source: int) -> Iterator[Given]:
    left, separator, text = rule.partition(':=')
    node, _, name = left.rpartition(':')
    if not separator:
        return
    try:
        value = load_parameters(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        value = text
    yield Given(name, value, node or ALL_NODES, source, f'`-p {rule}`')


def _sections(content: Any, above: str) -> Iterator[tuple[str, Any]]:
    """The patterns of nodes in a file, nested namespaces joined, and the values of each."""
    if not isinstance(content, Mapping):
        return
    for key, value in content.items():
        if key == 'ros__parameters':
            yield above, value
        else:
            yield from _sections(value, f'{above}/{key}' if above else str(key))


def _flat(values: Any, above: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(values, Mapping):
        return
    for key, value in values.items():
        name = f'{above}.{key}' if above else str(key)
        if isinstance(value, Mapping):
            yield from _flat(value, name)
        else:
            yield name, value


def is_for(pattern: str, node: str) -> bool:
    """Whether a pattern of nodes matches one, as rclpy decides it.

    Args:
        pattern: such as `/**`, `localizer` or `/robot1/localizer`.
        node: full name of the node, such as `/robot1/localizer`.
    """
    whole = pattern if pattern.startswith('/') else f'/{pattern}'
    expression = ''.join(
        r'(/\w+)' if part == '/*' else part if part == '*' else re.escape(part)
        for part in re.split(r'(/\*|\*)', whole)
    )
    try:
        return re.fullmatch(expression, node) is not None
    except re.error:
        return False


def ineffective_parameters(node: Node, arguments: Sequence[str]) -> list[str]:
    """What to tell of parameters that were given at the start and did not take effect.

    A value that a later file or `-p` replaces is not told: that is how values are replaced. Told
    is a value that beats a later one, or one for this node alone in the same file; and a file or
    `-p` that has values for other nodes only.

    Args:
        node: whose parameters are declared.
        arguments: of the process, as rclpy.init was given them.
    """
    name = node.get_fully_qualified_name()
    given = given_parameters(arguments)
    in_force = {key: each.value for key, each in node._parameter_overrides.items()}
    known = frozenset(key for key in {each.name for each in given} if node.has_parameter(key))
    return [*_for_others(given, name, known), *_beaten(given, name, in_force)]


def _beaten(given: Sequence[Given], node: str, in_force: Mapping[str, Any]) -> Iterator[str]:
    order = list(dict.fromkeys(each.pattern for each in given))
    matching = [each for each in given if is_for(each.pattern, node)]
    for name in dict.fromkeys(each.name for each in matching):
        entries = [each for each in reversed(matching) if each.name == name]
        wanted = max(entries, key=lambda each: (each.source, _specificity(each.pattern)))
        winner = max(entries, key=lambda each: (order.index(each.pattern), each.source))
        actual = in_force.get(name)
        # Where rcl reads a value otherwise than PyYAML, nothing can be said.
        if not _is_same(wanted.value, actual) and _is_same(winner.value, actual):
            yield (
                f'parameter {name} is {_shown(actual)}, from {winner.origin}, and not '
                f'{_shown(wanted.value)}, as {wanted.origin} says: ROS puts '
                f'`{wanted.pattern}` before `{winner.pattern}`, as it was mentioned first, and '
                f'takes the last. {_remedy(wanted, winner, node)}'
            )


def _specificity(pattern: str) -> int:
    return len(pattern.replace('*', '').replace('/', ''))


def _remedy(wanted: Given, winner: Given, node: str) -> str:
    plain = winner.pattern.lstrip('/')
    if wanted.origin.startswith('`-p'):
        if winner.pattern == ALL_NODES:
            return f'Give `-p {wanted.name}:=...`'
        if f'/{plain}' == node and '/' not in plain:
            return f'Give `-p {plain}:{wanted.name}:=...`'
    return f'Write both under the same name, `{ALL_NODES}` or `{node}`, or remove one'


def _for_others(given: Sequence[Given], node: str, known: frozenset[str]) -> Iterator[str]:
    """What to tell of files and `-p` that seem to mean this node, and do not name it."""
    last = node.rpartition('/')[2]
    for source in dict.fromkeys(each.source for each in given):
        entries = [each for each in given if each.source == source]
        if any(is_for(each.pattern, node) for each in entries):
            continue
        for pattern in dict.fromkeys(each.pattern for each in entries):
            names = [each.name for each in entries if each.pattern == pattern]
            own = known.intersection(names) - {'use_sim_time'}
            if not get_close_matches(pattern.rpartition('/')[2], [last]) and len(own) < SEVERAL:
                continue
            origin = entries[0].origin.partition(' (under')[0]
            remedy = f'write `{ALL_NODES}` or `{node}` instead of `{pattern}`'
            if origin.startswith('`-p'):
                remedy = f'leave out `{pattern}:`'
            yield (
                f'{origin} is for `{pattern}` and not for this node, {node}, which goes without '
                f'{printable(", ".join(names), 200)}: {remedy}'
            )


def _is_same(given: Any, actual: Any) -> bool:
    """Whether both are one value: rcl takes 1e3 for a number and ~ for a text, unlike PyYAML."""
    if isinstance(actual, (list, tuple, bytes)):
        items = list(given) if isinstance(given, (list, tuple)) else [given]
        return len(items) == len(actual) and all(map(_is_same, items, actual))
    if actual is None:
        return given is None or given == []
    if isinstance(actual, bool) or isinstance(given, bool):
        return given is actual or (str(given).lower() in ('y', 'n') and actual is (given in 'yY'))
    if isinstance(actual, (int, float)):
        try:
            return float(given) == float(actual)
        except (TypeError, ValueError):
            return False
    return str(given) == actual or (given is None and actual in ('~', 'null', 'Null', 'NULL'))


def _shown(value: Any) -> str:
    return printable(repr(value), 80)
