"""Settings by their names, such as `verification.probability`, as programs and nodes give them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from fol_vpr.errors import InputError


def with_values(groups: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Groups of settings with other values.

    Args:
        groups: dataclasses of `fol_vpr.config` by the name of their group, such as `retrieval`.
        values: by the name of a setting, GROUP.KEY.

    Returns:
        The groups, with the values.

    Raises:
        InputError: a name is unknown, or a value of another type or outside its range.
    """
    changes: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        group, _, key = str(name).rpartition('.')
        defaults = {s.name: s.default for s in fields(groups[group])} if group in groups else {}
        if key not in defaults:
            raise InputError(_unknown(str(name), groups))
        changes.setdefault(group, {})[key] = _checked(str(name), defaults[key], value)
    changed = dict(groups)
    for group, new in changes.items():
        try:
            changed[group] = replace(groups[group], **new)
        except InputError as error:
            raise InputError(f'{group}.{error}') from error
    return changed


def _checked(name: str, default: Any, value: Any) -> Any:
    """The value in the type of the default."""
    kind = type(default)
    if isinstance(value, np.generic):  # a number that was computed with NumPy
        value = value.item()
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is tuple and isinstance(value, (list, tuple)):
        return tuple(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InputError(f'{name} is {value!r}, expected {_KINDS.get(kind, kind.__name__)}')
    return value


def _unknown(name: str, groups: Mapping[str, Any]) -> str:
    known = [f'{group}.{spec.name}' for group, part in groups.items() for spec in fields(part)]
    key = name.rpartition('.')[2]
    near = [each for each in known if each.rpartition('.')[2] == key]
    near = near or difflib.get_close_matches(name, known, n=3)
    hint = f'did you mean {" or ".join(near)}?' if near else f'groups are {", ".join(groups)}'
    return f'there is no setting {name!r}; {hint}'


_KINDS = {bool: 'True or False', int: 'a whole number', float: 'a number', str: 'a text',
          tuple: 'a list of numbers'}  # fmt: skip
