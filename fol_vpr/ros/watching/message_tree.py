"""Messages of any type as plain values, for JSON and for people."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from fol_vpr.errors import InputError, escape_controls

_PLAIN = re.compile(r'[A-Za-z/_](?:[\w/.@+-]|:(?=\w)| (?=[\w/]))*')
# What YAML reads as something else than a text.
_WORDS = {'true', 'false', 'yes', 'no', 'on', 'off', 'null', 'y', 'n', 'none'}


class Rest:
    """Stands for the elements that were left out of an array.

    Attributes:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def __str__(self) -> str:
        return f'... {self.count} more'


def message_tree(value: Any, limit: int | None = None) -> Any:
    """A message as dicts, lists, texts, numbers and booleans.

    Args:
        value: a message, or a field of one.
        limit: most elements of an array; None takes all. A `Rest` stands for the others.
    """
    if hasattr(value, 'get_fields_and_field_types'):
        return {
            name: message_tree(getattr(value, name), limit)
            for name in value.get_fields_and_field_types()
        }
    if isinstance(value, bytes) and len(value) == 1:
        return value[0]
    # Before the numbers of Python: numpy.float64 is one of them, and prints in another way.
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (str, bool, int, float)):
        return value
    kept = value if limit is None else value[:limit]
    found = [message_tree(each, limit) for each in kept]
    if len(found) < len(value):
        found.append(Rest(len(value) - len(found)))
    return found


def field_of(message: Any, path: str) -> Any:
    """A field of a message.

    Args:
        message: of any type.
        path: names of fields and numbers of elements, such as header.stamp or hypotheses.0.pose.

    Raises:
        InputError: there is no such field; the message lists those that there are.
    """
    value, way = message, ''
    for name in path.split('.'):
        fields: dict[str, str] = getattr(value, 'get_fields_and_field_types', dict)()
        if name in fields:
            value = getattr(value, name)
        elif name.isdigit() and not fields and not isinstance(value, (str, bytes)):
            if not hasattr(value, '__len__') or int(name) >= len(value):
                raise IndexError(f'{way or "the message"} has no element {name}')
            value = value[int(name)]
        else:
            there = ', '.join(fields) or 'no fields'
            raise InputError(
                f'--field {path}: {way or "the message"} has no field {name}; it has {there}'
            )
        way = f'{way}.{name}' if way else name
    return value


def as_json(tree: Any) -> str:
    """A tree as JSON on one line; NaN and infinities, which JSON does not have, become null."""
    return json.dumps(_for_json(tree), allow_nan=False)


def as_yaml(tree: Any) -> str:
    """A tree as YAML, with short arrays of numbers on one line."""
    return '\n'.join(_lines(tree, ''))


def _for_json(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _for_json(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_for_json(each) for each in tree]
    if isinstance(tree, float) and not math.isfinite(tree):
        return None
    return str(tree) if isinstance(tree, Rest) else tree


def _lines(tree: Any, indent: str) -> Iterator[str]:
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            if _is_block(value):
                yield f'{indent}{key}:'
                deeper = indent if isinstance(value, list) else f'{indent}  '
                yield from _lines(value, deeper)
            else:
                yield f'{indent}{key}: {_inline(value)}'
    elif isinstance(tree, list) and _is_block(tree):
        for each in tree:
            first, *others = list(_lines(each, f'{indent}  '))
            yield f'{indent}- {first[len(indent) + 2 :]}'
            yield from others
    else:
        yield f'{indent}{_inline(tree)}'


def _is_block(tree: Any) -> bool:
    """Whether a tree takes lines of its own."""
    if isinstance(tree, list):
        return any(isinstance(each, (dict, list)) for each in tree)
    return isinstance(tree, dict) and bool(tree)


def _inline(tree: Any) -> str:
    if isinstance(tree, list):
        return f'[{", ".join(map(_inline, tree))}]'
    if isinstance(tree, dict):
        return '{}'
    if isinstance(tree, bool):
        return str(tree).lower()
    if isinstance(tree, float):
        return _float(tree)
    if isinstance(tree, int):
        return str(tree)
    if isinstance(tree, Rest):
        return f"'{tree}'"
    if _PLAIN.fullmatch(tree) and tree.lower() not in _WORDS:
        return str(tree)
    return escape_controls(json.dumps(tree, ensure_ascii=False), keep='')


def _float(value: float) -> str:
    if math.isnan(value):
        return '.nan'
    if math.isinf(value):
        return '.inf' if value > 0 else '-.inf'
    # YAML 1.1 takes a number without a point for a text.
    text = repr(value)
    return text if '.' in text else text.replace('e', '.0e')
