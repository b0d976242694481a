"""Options of the command line, made from the settings in `fol_vpr.config`."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping
from dataclasses import Field, fields, replace
from typing import Any, TypeVar

from fol_vpr.config import NetworkConfig, check_setting
from fol_vpr.errors import InputError

Config = TypeVar('Config')


def add_settings(
    parser: argparse.ArgumentParser,
    config: type[Any],
    *,
    only: Collection[str] | None = None,
    defaults: Mapping[str, str] | None = None,
) -> None:
    """Add an option for every setting of a config dataclass, such as `--input-size`.

    Options that are not given stay None, so that `settings` can tell them from defaults.

    Args:
        parser: gets the options.
        config: a dataclass of `fol_vpr.config`.
        only: names of the settings that become options; None takes all.
        defaults: by the name of a setting, the default that help shows instead of the dataclass's.
    """
    group = parser.add_argument_group(_heading(config))
    for spec in fields(config):
        if only is None or spec.name in only:
            _add_setting(group, spec, (defaults or {}).get(spec.name, str(spec.default)))


def _heading(config: type[Any]) -> str:
    return f'{config.__name__.removesuffix("Config").lower()} settings'


def _add_setting(group: argparse._ArgumentGroup, spec: Field[Any], default: str) -> None:
    flag = f'--{spec.name.replace("_", "-")}'
    # argparse formats help with %, so a literal one must be doubled.
    text = f'{spec.metadata["description"]}{_default(default)}'.replace('%', '%%')
    if isinstance(spec.default, bool):
        group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        return
    if elements := spec.metadata['elements']:
        group.add_argument(flag, type=float, nargs=len(elements), metavar=elements, help=text)
        return
    kind = type(spec.default)
    group.add_argument(
        flag,
        type=kind,
        default=None,
        choices=spec.metadata['choices'] or None,
        metavar=None if spec.metadata['choices'] else _metavar(kind, spec.metadata['is_file']),
        help=text,
    )


def _default(words: str) -> str:
    """The end of an option's help. The description says what an empty default means."""
    return f' Default: {words}.' if words not in ('', '()') else ''


def _metavar(kind: type, is_file: bool) -> str:
    return 'FILE' if is_file else {int: 'N', float: 'X'}.get(kind, 'NAME')


def settings(args: argparse.Namespace, base: Config) -> Config:
    """The settings `base`, replaced by those given on the command line.

    Raises:
        InputError: a value is outside the setting's range.
    """
    given = {
        spec.name: _value(getattr(args, spec.name))
        for spec in fields(base)  # type: ignore[arg-type]
        if getattr(args, spec.name, None) is not None
    }
    for spec in fields(base):  # type: ignore[arg-type]
        if spec.name in given:
            try:
                check_setting(spec, given[spec.name])
            except InputError as error:
                raise InputError(f'--{spec.name.replace("_", "-")}: {error}') from error
    return replace(base, **given)  # type: ignore[type-var]


def _value(given: Any) -> Any:
    return tuple(given) if isinstance(given, list) else given


def add_network_of_map(parser: argparse.ArgumentParser) -> None:
    """Add the network settings to a verb that takes their defaults from a map."""
    recorded = dict.fromkeys(('weights', 'resize', 'input_size'), "the map's")
    add_settings(parser, NetworkConfig, defaults=recorded)


def network_of_map(args: argparse.Namespace, path: str) -> NetworkConfig:
    """The network settings that a map was made with, replaced by those on the command line.

    Raises:
        MapError: no such map, or a damaged one.
        WeightsError: the weights of the map are not on this machine, and no others are given.
        InputError: a setting is outside its range.
    """
    from fol_vpr.recognizer import network_config_from_map

    return settings(args, network_config_from_map(path, args.weights))
