"""Options of the command line, made from the settings in `fol_vpr.config`."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping
from dataclasses import Field, fields, replace
from typing import Any, TypeVar

from fol_vpr.config import (
    DEFAULT_SCALE,
    OF_THE_MAP,
    SCALES,
    LoopsConfig,
    NetworkConfig,
    RecognizerConfig,
    RetrievalConfig,
    VerificationConfig,
    check_setting,
    scaled,
)
from fol_vpr.errors import InputError

Config = TypeVar('Config')


def add_settings(
    parser: argparse.ArgumentParser,
    config: type[Any],
    *,
    only: Collection[str] | None = None,
    defaults: Mapping[str, str] | None = None,
    of_map: bool = False,
) -> None:
    """Add an option for every setting of a config dataclass, such as `--input-size`.

    Options that are not given stay None, so that `settings` can tell them from defaults.

    Args:
        parser: gets the options.
        config: a dataclass of `fol_vpr.config`.
        only: names of the settings that become options; None takes all.
        defaults: by the name of a setting, the default that help shows instead of the dataclass's.
        of_map: whether those settings that a map can bring are taken from a map, as the verb has
            one; help says so.
    """
    group = parser.add_argument_group(_heading(config))
    for spec in fields(config):
        if only is None or spec.name in only:
            usual = str(spec.default)
            if of_map and f'{group_name(config)}.{spec.name}' in OF_THE_MAP:
                usual = f"the map's, else {usual}"
            _add_setting(group, spec, (defaults or {}).get(spec.name, usual))


def group_name(config: type[Any]) -> str:
    """The group of the settings of a dataclass, such as `verification`."""
    return config.__name__.removesuffix('Config').lower()


def _heading(config: type[Any]) -> str:
    return f'{group_name(config)} settings'


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

    runtime = args.runtime or NetworkConfig.runtime
    return settings(args, network_config_from_map(path, args.weights, runtime))


def add_scale(parser: argparse.ArgumentParser, *, of_map: bool = True) -> None:
    """Add the option --scale.

    Args:
        parser: gets the option.
        of_map: whether the verb takes the scale from a map where the option is not given.
    """
    words = '; '.join(f'{name} is {scale.words}' for name, scale in SCALES.items())
    default = f"the map's, else {DEFAULT_SCALE}" if of_map else DEFAULT_SCALE
    parser.add_argument(
        '--scale',
        choices=tuple(SCALES),
        help='size of the surroundings, which sets the distance of keyframes, the radius of a '
        'place, the radius of a positive and the distance of loops together; options of their '
        f'own come first. {words[0].upper()}{words[1:]}. Default: {default}.',
    )


def scaled_settings(args: argparse.Namespace, base: Config, map_scale: str = '') -> Config:
    """The settings `base` of a scale, replaced by those given on the command line.

    Args:
        args: of the command line; --scale comes before the scale of the map.
        base: the defaults.
        map_scale: scale of the map; empty where it has none.

    Raises:
        InputError: a value is outside the setting's range.
    """
    return settings(args, scaled(base, args.scale or map_scale))


def recognizer_config(
    args: argparse.Namespace,
    network: NetworkConfig,
    *,
    verification: VerificationConfig | None = None,
    loops: LoopsConfig | None = None,
) -> RecognizerConfig:
    """The settings of a recognizer, which takes those that were not given from its map.

    Args:
        args: of the command line.
        network: the network.
        verification: other defaults; those that differ from the usual ones count as given.
        loops: other defaults, where the verb has options of the group `loops`; names that occur
            in several groups, such as --verify, then belong to this one.

    Raises:
        InputError: a value is outside the setting's range.
    """
    own = verification or VerificationConfig()
    of_loops = {spec.name for spec in fields(LoopsConfig)} if loops is not None else set()
    rest = argparse.Namespace(**{k: v for k, v in vars(args).items() if k not in of_loops})
    retrieval, checked = settings(rest, RetrievalConfig()), settings(rest, own)
    given = {*given_names(rest, RetrievalConfig), *given_names(rest, VerificationConfig)}
    given |= {f'verification.{s.name}' for s in fields(own) if getattr(own, s.name) != s.default}
    if loops is not None:
        given |= given_names(args, LoopsConfig)
    return RecognizerConfig(
        network,
        retrieval,
        checked,
        loops=LoopsConfig() if loops is None else settings(args, loops),
        scale=getattr(args, 'scale', None) or '',
        given=frozenset(given),
    )


def given_names(args: argparse.Namespace, config: type[Any]) -> set[str]:
    """Names of the settings of a dataclass that were given, such as `verification.speed`."""
    return {
        f'{group_name(config)}.{spec.name}'
        for spec in fields(config)
        if getattr(args, spec.name, None) is not None
    }
