"""The settings of the node as one value, and their names as ROS parameters; needs no rclpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from fol_vpr.config import (
    DriveMappingConfig,
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
    """All settings of the node, in the groups that their parameter names have."""

    node: NodeConfig = field(default_factory=NodeConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    retrieval: RetrievalConfig = field(default_factory=RetrievalConfig)
    verification: VerificationConfig = field(default_factory=VerificationConfig)
    storage: StorageConfig = field(default_factory=StorageConfig)
    loops: LoopsConfig = field(default_factory=LoopsConfig)
    mapping: DriveMappingConfig = field(default_factory=DriveMappingConfig)

    @property
    def recognizer(self) -> RecognizerConfig:
        """The settings of PlaceRecognizer."""
        return RecognizerConfig(
            self.network, self.retrieval, self.verification, self.storage, self.loops
        )

    def map_frame(self, recognition: Recognition) -> str:
        """Name of the frame that the poses in an answer are in."""
        return self.node.map_frame or recognition.map_frame or 'map'

    def changed(self, values: Mapping[str, Any]) -> Settings:
        """A copy with other values.

        Args:
            values: by parameter name.

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


def with_network_of_map(
    map_path: Path, settings: Settings, warn: Callable[[str], Any]
) -> tuple[Settings, bool]:
    """The settings with the preprocessing, and by default the weights, that a map was made with.

    Args:
        map_path: the map.
        settings: of the node; weights other than the default are kept.
        warn: called with a message for each setting that the map replaces.

    Returns:
        The settings, and whether the weights are those that the map names.

    Raises:
        MapError: no such map, or a damaged one.
        WeightsError: its weights are not on this machine, and no others are given.
    """
    from fol_vpr.recognizer import network_config_from_map

    given, default = settings.network, NetworkConfig()
    # Other weights may be a copy of those of the map: loading the map compares their content.
    weights_of_map = given.weights == default.weights
    recorded = network_config_from_map(
        map_path, None if weights_of_map else given.weights, given.runtime
    )
    for name in ('resize', 'input_size'):
        if getattr(given, name) not in (getattr(recorded, name), getattr(default, name)):
            warn(
                f'network.{name} is {getattr(given, name)}, but {map_path} was made with '
                f'{getattr(recorded, name)}, which is used'
            )
    network = replace(
        given, weights=recorded.weights, resize=recorded.resize, input_size=recorded.input_size
    )
    return replace(settings, network=network), weights_of_map


def user_path(given: str) -> Path:
    """The path that a user gave, with a leading ~ replaced by the home folder.

    Raises:
        InputError: there is no such user.
    """
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise InputError(f'{given} is no path: {error}') from error


def confined_path(given: str, folder: str) -> Path:
    """The path that a user or a peer gave, where it lies in a folder.

    Args:
        given: the path; a leading ~ stands for the home folder.
        folder: that the path has to lie in once links are resolved, and that relative paths
            start at; empty allows any path, as it is.

    Raises:
        InputError: it leads out of the folder, or there is no such user.
    """
    path = user_path(given)
    if not folder:
        return path
    try:
        base = user_path(folder).resolve()
        path = (base / path).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f'{given!r} is no path: {error}') from error
    if not path.is_relative_to(base):
        raise InputError(
            f'{given!r} leads out of {base}, where the parameter map_folder confines maps to: '
            'give a path in that folder'
        )
    return path


def join_name(group: str, key: str) -> str:
    """Parameter name of a setting; the settings of the node itself have no group."""
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
CONFINED = frozenset(
    {'network.weights', 'retrieval.index_uri', 'loops.session_file', 'mapping.output'}
)
"""Parameters that name files or servers, and are fixed from the start where map_folder is set."""
_SESSION_SETTINGS = tuple(
    f'loops.{key}' for key in ('enabled', 'session_file', 'frame', 'codec', 'store_images')
)
# The loaded network, its buffers, the map, its index and the session depend on them.
FIXED_WHILE_CONFIGURED = frozenset(
    name
    for name, _, _ in parameters(Settings())
    if name in ('map', *_SESSION_SETTINGS)
    or name.startswith(('network.', 'storage.', 'mapping.', 'retrieval.index'))
)
