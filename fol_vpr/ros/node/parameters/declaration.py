"""Declares the parameters of the node from the settings, reads them, and checks changes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import Field
from difflib import get_close_matches
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.node import Node
from rclpy.parameter import Parameter

from fol_vpr.errors import InputError
from fol_vpr.ros.node.parameters.settings import (
    CONFINED,
    FIXED_WHILE_CONFIGURED,
    Settings,
    confined_path,
    parameters,
)

INT64_MAX = 2**63 - 1


def declare_parameters(node: Node) -> None:
    """Declare every setting with its default, range and description.

    Raises:
        InputError: a parameter was given a value of another type; names the parameter.
        ParameterException: a parameter was given a value outside its range.
    """
    for name, spec, default in parameters(Settings()):
        descriptor = _descriptor(name, spec, default)
        try:
            if default == ():
                _declare_numbers(node, name, descriptor)
            else:
                node.declare_parameter(name, default, descriptor)
        except InvalidParameterTypeException as error:
            raise InputError(f'{error}{_decimal_point_hint(node, name, default)}') from error


def _declare_numbers(node: Node, name: str, descriptor: ParameterDescriptor) -> None:
    """Declare an array of floats that is empty unless it is given.

    rclpy takes an empty list for bytes, so that such a default cannot be declared. Without any
    value, a request for the values of several parameters would return none of them.
    """
    writable = deepcopy(descriptor)
    writable.read_only = False
    node.declare_parameter(name, Parameter.Type.DOUBLE_ARRAY, writable)
    if node.get_parameter_or(name, Parameter(name)).value is None:
        node.set_parameters([Parameter(name, Parameter.Type.DOUBLE_ARRAY, [])])
    descriptor.type = writable.type
    node.set_descriptor(name, descriptor)


def with_typed_arrays(changes: list[Parameter]) -> list[Parameter]:
    """Parameters with empty arrays of floats where somebody sets empty arrays without a type.

    `ros2 param set` and `ros2 param load` send `[]` as an array of truth values.
    """
    of_numbers = {
        name for name, _, default in parameters(Settings()) if isinstance(default, tuple)
    }
    return [
        Parameter(each.name, Parameter.Type.DOUBLE_ARRAY, [])
        if each.name in of_numbers and _is_empty_array(each.value)
        else each
        for each in changes
    ]


def _is_empty_array(value: Any) -> bool:
    return value is not None and not isinstance(value, (str, int, float)) and not len(value)


def _decimal_point_hint(node: Node, name: str, default: Any) -> str:
    """What to write if a whole number was given for a float; else empty."""
    given = node._parameter_overrides[name].value
    if isinstance(default, float) and type(given) is int:
        return f': write {given}.0'
    if isinstance(default, tuple) and not isinstance(given, (str, bytes, int, float)):
        return ': write every number with a decimal point, as in [0.0, 1.5]'
    return ''


def misnamed_parameters(node: Node) -> list[str]:
    """Names that were given but are no parameters, each with similar names of parameters."""
    names = [name for name, _, _ in parameters(Settings())]
    found = []
    for given in sorted(node._parameter_overrides):
        # Those of QoS are declared with the subscriptions.
        if node.has_parameter(given) or given.startswith('qos_overrides.'):
            continue
        similar = [name for name in names if name.rpartition('.')[2] == given]
        similar = similar or get_close_matches(given, names, n=2, cutoff=0.7)
        found.append(f'{given} (is {" or ".join(similar)} meant?)' if similar else given)
    return found


def read_parameters(node: Node) -> Settings:
    """The settings by the parameters of the node now.

    Raises:
        InputError: a value is outside what its setting allows; names the parameter.
    """
    values = {
        name: _value(node.get_parameter_or(name, Parameter(name, value=default)), default)
        for name, _, default in parameters(Settings())
    }
    return Settings().changed(values)


def _value(parameter: Parameter, default: Any) -> Any:
    return tuple(parameter.value or ()) if isinstance(default, tuple) else parameter.value


def settings_after(
    settings: Settings, changes: Iterable[Parameter], *, configured: bool
) -> Settings:
    """The settings after `changes`; parameters for QoS and the clock are ignored.

    Args:
        settings: before the changes.
        changes: of parameters.
        configured: whether the node is configured, and some parameters therefore cannot change.

    Raises:
        InputError: a value is not allowed, or not while the node is configured.
    """
    defaults = {name: default for name, _, default in parameters(Settings())}
    changed = {
        change.name: _value(change, defaults[change.name])
        for change in changes
        if change.name in defaults
    }
    fixed = sorted(FIXED_WHILE_CONFIGURED.intersection(changed)) if configured else []
    if fixed == ['map']:
        raise InputError('the map of a configured node is changed by calling ~/load_map')
    if fixed:
        raise InputError(
            f'{", ".join(fixed)} cannot change while the node is configured: '
            'deactivate and clean up first'
        )
    after = settings.changed(changed)
    if folder := settings.node.map_folder:
        values = {name: value for name, _, value in parameters(settings)}
        fixed = sorted(name for name in CONFINED & changed.keys() if changed[name] != values[name])
        if fixed:
            raise InputError(
                f'{", ".join(fixed)} cannot change while map_folder is set: give the value when '
                'the node is started'
            )
        if after.node.map:
            confined_path(after.node.map, folder)
    return after


def _descriptor(name: str, spec: Field[Any], default: Any) -> ParameterDescriptor:
    meta = spec.metadata
    descriptor = ParameterDescriptor(description=meta['description'], read_only=meta['read_only'])
    if meta['choices']:
        descriptor.additional_constraints = f'one of {", ".join(meta["choices"])}'
    elif name in FIXED_WHILE_CONFIGURED:
        descriptor.additional_constraints = 'fixed while the node is configured'
    low, high = meta['minimum'], meta['maximum']
    if low is None and high is None:
        return descriptor
    if isinstance(default, int):
        whole = IntegerRange(
            from_value=-INT64_MAX if low is None else int(low),
            to_value=INT64_MAX if high is None else int(high),
        )
        descriptor.integer_range = [whole]
    else:
        span = FloatingPointRange(
            from_value=-sys.float_info.max if low is None else float(low),
            to_value=sys.float_info.max if high is None else float(high),
        )
        descriptor.floating_point_range = [span]
    return descriptor
