"""The settings of the node as one value, and the names that ROS knows them by; without rclpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from fol_vpr.config import (
    LoopsConfig,
    NetworkConfig,
    NodeConfig,
    RecognizerConfig,
    RetrievalConfig,
    StorageConfig,
    VerificationConfig,
)
from fol_vpr.datatypes import Recognition
from fol_vpr.errors import InputError


@dataclass(frozen=True)
class Settings:
    """Everything that the node can be told, in the groups that its parameter names have."""

    node: NodeConfig = field(default_factory=NodeConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    retrieval: RetrievalConfig = field(default_factory=RetrievalConfig)
    verification: VerificationConfig = field(default_factory=VerificationConfig)
    storage: StorageConfig = field(default_factory=StorageConfig)
    loops: LoopsConfig = field(default_factory=LoopsConfig)

    @property
    def recognizer(self) -> RecognizerConfig:
        """The share of PlaceRecognizer."""
        return RecognizerConfig(
            self.network, self.retrieval, self.verification, self.storage, self.loops
        )

    def map_frame(self, recognition: Recognition) -> str:
        """Frame of the poses in an answer."""
        return self.node.map_frame or recognition.map_frame or 'map'

    def changed(self, values: Mapping[str, Any]) -> Settings:
        """A copy with other values, by parameter name.

        Raises:
            InputError: a name is unknown, or a value outside its range; names the parameter.
        """
        by_group: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            group, key = split_name(name)
            by_group.setdefault(group, {})[key] = value
        parts = {
            group: _replaced(getattr(self, group), group, changes)
            for group, changes in by_group.items()
        }
        return replace(self, **parts)


def _replaced(part: Any, group: str, changes: dict[str, Any]) -> Any:
    try:
        return replace(part, **changes)
    except InputError as error:
        raise InputError(f'parameter {join_name(group, "")}{error}') from error


def parameters(settings: Settings) -> Iterator[tuple[str, Field[Any], Any]]:
    """Name, declaration and value of every parameter, in the order of the documentation."""
    for group in fields(settings):
        part = getattr(settings, group.name)
        for spec in fields(part):
            yield join_name(group.name, spec.name), spec, getattr(part, spec.name)


def with_network_of(
    map_path: Path, settings: Settings, warn: Callable[[str], Any]
) -> tuple[Settings, bool]:
    """The settings with what a map was made with, and whether its weights are among that.

    Args:
        map_path: the map.
        settings: of the node; weights other than the default are kept.
        warn: is told of a setting that the map overrules.

    Raises:
        MapError: no such map, or a damaged one.
        WeightsError: its weights are not on this machine, and no others are given.
    """
    from fol_vpr.recognizer import network_config_from_map

    given, usual = settings.network, NetworkConfig()
    # Other weights may be the same ones elsewhere: loading the map compares their content.
    of_map = given.weights == usual.weights
    recorded = network_config_from_map(map_path, None if of_map else given.weights)
    for name in ('resize', 'input_size'):
        if getattr(given, name) not in (getattr(recorded, name), getattr(usual, name)):
            warn(
                f'network.{name} is {getattr(given, name)}, but {map_path} was made with '
                f'{getattr(recorded, name)}, which is taken'
            )
    network = replace(
        given, weights=recorded.weights, resize=recorded.resize, input_size=recorded.input_size
    )
    return replace(settings, network=network), of_map


def user_path(given: str) -> Path:
    """A path, of which ~ may be the first part.

    Raises:
        InputError: there is no such user.
    """
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise InputError(f'{given} is no path: {error}') from error


def join_name(group: str, key: str) -> str:
    """Parameter name of a setting: those of the node itself stand without a group."""
    return key if group == 'node' else f'{group}.{key}'


def split_name(name: str) -> tuple[str, str]:
    """Group and key of a parameter name.

    Raises:
        InputError: there is no such parameter.
    """
    group, _, key = name.rpartition('.')
    part = _PARTS.get(group or 'node', ())
    if key not in part or group == 'node':
        raise InputError(f'there is no parameter {name}')
    return group or 'node', key


_PARTS = {
    group.name: {spec.name for spec in fields(getattr(Settings(), group.name))}
    for group in fields(Settings)
}
_OF_THE_SESSION = tuple(
    f'loops.{key}' for key in ('enabled', 'session_file', 'frame', 'codec', 'store_images')
)
# They are built into the loaded network, the buffers around it, the map and its index.
FIXED_WHILE_CONFIGURED = frozenset(
    name
    for name, _, _ in parameters(Settings())
    if name in ('map', 'retrieval.index', 'retrieval.index_uri', *_OF_THE_SESSION)
    or name.startswith(('network.', 'storage.'))
)
