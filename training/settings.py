"""YAML to frozen dataclasses and back, with errors that name what was meant."""

from __future__ import annotations

import difflib
import os
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from fol_vpr.errors import FolVprError, InputError
from fol_vpr.files import atomic_text
from training.config import TrainingConfig
from training.data.config import KINDS

Settings = TypeVar('Settings')


def read_config(path: str | Path, changes: Sequence[str] = ()) -> TrainingConfig:
    """The settings of a YAML file; what it leaves out has its default.

    Strings may name environment variables: ${GSV_CITIES}/train.

    Args:
        path: the file.
        changes: `section.setting=value` each, value in YAML; entries of lists go by their number,
            as in data.train.0.path=/data/town.

    Raises:
        InputError: no such file, no YAML, an unknown setting, or a value that does not fit; the
            setting is named, and the nearest known one where it is unknown.
    """
    content = _read_yaml(Path(path))
    for change in changes:
        _apply(content, change)
    try:
        return from_plain_values(TrainingConfig, content, '')
    except FolVprError as error:
        raise InputError(f'{path}: {error}') from error


def write_config(config: TrainingConfig, path: Path) -> None:
    """Write all settings, so that `read_config` gives them back.

    Raises:
        StorageError: it cannot be written there.
    """
    text = yaml.safe_dump(to_plain_values(config), sort_keys=False, allow_unicode=True)
    with atomic_text(path) as file:
        file.write(text)


def to_plain_values(value: Any) -> Any:
    """A dataclass as nested dictionaries, lists, and what YAML and checkpoints hold."""
    if is_dataclass(value) and not isinstance(value, type):
        content = {spec.name: to_plain_values(getattr(value, spec.name)) for spec in fields(value)}
        kind = next((name for name, cls in KINDS.items() if isinstance(value, cls)), None)
        return content if kind is None else {'kind': kind, **content}
    return [to_plain_values(each) for each in value] if isinstance(value, tuple) else value


def from_plain_values(cls: type[Settings], content: Any, where: str) -> Settings:
    """A settings dataclass from a mapping.

    Args:
        cls: the dataclass.
        content: what YAML gave.
        where: names of the sections above it, each with a dot, for messages.

    Raises:
        InputError: an unknown setting, or a value of another type or outside its range.
    """
    content = {} if content is None else content
    if not isinstance(content, Mapping):
        raise InputError(f'{where.rstrip(".")} is {content!r}, expected settings, one on a line')
    types_of = typing.get_type_hints(cls)
    values = {}
    for name, value in content.items():
        if name not in types_of:
            raise InputError(f'there is no setting {where}{name}{_nearest(str(name), types_of)}')
        values[name] = _convert(types_of[name], value, f'{where}{name}')
    try:
        return cls(**values)
    except InputError as error:
        raise InputError(f'{where}{error}') from error


def _convert(kind: Any, value: Any, where: str) -> Any:
    """`value` as `kind`, which is a dataclass, a tuple of something, or a plain type."""
    if is_dataclass(kind):
        return from_plain_values(typing.cast(type, kind), value, f'{where}.')
    if isinstance(kind, types.UnionType):
        return _one_of(typing.get_args(kind), value, where)
    if typing.get_origin(kind) is tuple:
        each = typing.get_args(kind)[0]
        if isinstance(value, Mapping | str) or not isinstance(value, Sequence):
            raise InputError(f'{where} is {value!r}, expected a list')
        return tuple(_convert(each, v, f'{where}.{i}') for i, v in enumerate(value))
    return _scalar(kind, value, where)


def _one_of(kinds: Sequence[type], value: Any, where: str) -> Any:
    names = {name: cls for name, cls in KINDS.items() if cls in kinds}
    found = value.get('kind') if isinstance(value, Mapping) else None
    if found not in names:
        hint = _nearest(str(found), names) if found is not None else ''
        raise InputError(f'{where}.kind is {found!r}, expected one of {", ".join(names)}{hint}')
    settings = {name: each for name, each in value.items() if name != 'kind'}
    return from_plain_values(names[found], settings, f'{where}.')


def _scalar(kind: type, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, str):
        # YAML 1.1 takes 6e-5, without a point, for a word.
        try:
            return float(value)
        except ValueError:
            pass
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        expected = {int: 'a whole number', float: 'a number', str: 'text', bool: 'true or false'}
        raise InputError(f'{where} is {value!r}, expected {expected.get(kind, kind.__name__)}')
    return _expanded(value, where) if isinstance(value, str) else value


def _expanded(text: str, where: str) -> str:
    expanded = os.path.expandvars(text)
    unknown = re.search(r'\$\{(\w+)\}', expanded)
    if unknown:
        raise InputError(
            f'{where} is {text!r}, but the environment variable {unknown[1]} is not set'
        )
    return expanded


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f'; did you mean {close[0]}?' if close else f'; there are {", ".join(known)}'


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f'{path} cannot be read: {error}; expected a YAML file') from error
    except yaml.YAMLError as error:
        raise InputError(f'{path} is no YAML: {error}') from error
    if not isinstance(content, dict):
        raise InputError(f'{path} holds {type(content).__name__}, expected sections of settings')
    return content


def _apply(content: dict[str, Any], change: str) -> None:
    """Put `a.b.c=value` into nested dictionaries and lists."""
    path, equals, text = change.partition('=')
    if not equals or not path:
        raise InputError(f'{change!r} changes no setting, expected section.setting=value')
    try:
        value = yaml.safe_load(text) if text else ''
    except yaml.YAMLError as error:
        raise InputError(f'the value of {path} is no YAML: {text!r}') from error
    *above, last = path.split('.')
    here: Any = content
    for name in above:
        here = _step(here, name, path)
    if isinstance(here, list):
        here[_number(last, here, path)] = value
    else:
        here[last] = value


def _step(here: Any, name: str, path: str) -> Any:
    if isinstance(here, list):
        return here[_number(name, here, path)]
    inner = here.get(name)
    if inner is None:
        inner = here[name] = {}
    if not isinstance(inner, dict | list):
        raise InputError(f'{path}: {name} is {inner!r} and has no settings in it')
    return inner


def _number(name: str, entries: list[Any], path: str) -> int:
    if not name.isdecimal() or int(name) >= len(entries):
        raise InputError(f'{path}: {name!r} is none of the {len(entries)} entries, from 0')
    return int(name)
