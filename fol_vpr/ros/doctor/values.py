"""The settings of the node from values of its parameters; needs no rclpy."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from fol_vpr.errors import InputError
from fol_vpr.ros.node.parameters.settings import Settings, parameters


def settings_of(values: Mapping[str, Any]) -> Settings:
    """The settings of the node by its parameters; other parameters are ignored.

    Args:
        values: by name, of a parameter file or of a running node.

    Raises:
        InputError: a value is of another type, or outside what its setting allows.
    """
    known = {name: default for name, _, default in parameters(Settings())}
    return Settings().changed(
        {
            name: _value(name, value, known[name])
            for name, value in values.items()
            if name in known and value is not None
        }
    )


def _value(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple):
        numbers = isinstance(value, (list, tuple)) or hasattr(value, 'tolist')
        with suppress(TypeError, ValueError):
            if numbers:
                return tuple(float(each) for each in value)
    elif isinstance(default, float) and type(value) in (int, float, str):
        # PyYAML reads 1e-05 as a text.
        with suppress(ValueError):
            return float(value)
    elif type(value) is type(default):
        return value
    raise InputError(f'parameter {name} is {value!r}, expected {_kind(default)}')


def _kind(default: Any) -> str:
    kinds = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'a text'}
    return kinds.get(type(default), 'a list of numbers')
