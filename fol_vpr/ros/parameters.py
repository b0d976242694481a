"""Parameters of the node: declared from the settings, checked apart from being applied."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import Field
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from fol_vpr.errors import InputError
from fol_vpr.ros.settings import FIXED_WHILE_CONFIGURED, Settings, parameters

INT64_MAX = 2**63 - 1


def declare_parameters(node: Node) -> None:
    """Declare every setting with its default, range and description."""
    for name, spec, default in parameters(Settings()):
        # Of an empty tuple no type can be told.
        kind = Parameter.Type.DOUBLE_ARRAY if default == () else default
        node.declare_parameter(name, kind, _descriptor(name, spec, default))


def read_parameters(node: Node) -> Settings:
    """The settings as the node's parameters have them now.

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


def checked(settings: Settings, changes: Iterable[Parameter], *, configured: bool) -> Settings:
    """The settings after `changes`, of which those of other owners (QoS, clock) are left out.

    Raises:
        InputError: a value is not allowed, or not while the node is configured.
    """
    defaults = {name: default for name, _, default in parameters(Settings())}
    ours = {
        change.name: _value(change, defaults[change.name])
        for change in changes
        if change.name in defaults
    }
    fixed = sorted(FIXED_WHILE_CONFIGURED.intersection(ours)) if configured else []
    if fixed == ['map']:
        raise InputError('the map of a configured node is changed by calling ~/load_map')
    if fixed:
        raise InputError(
            f'{", ".join(fixed)} cannot change while the node is configured: '
            'deactivate and clean up first'
        )
    return settings.changed(ours)


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
