"""Settings that a map brings with it, and which value is used where several are named.

The probabilities of a calibration hold only where images are searched, verified and followed as
they were when it was made. So the calibration records these settings, and they are taken from it,
as weights and input size are. Which value a setting has, the first that there is of:

1. the value that the user gave,
2. that of the scale that the user gave,
3. that which the calibration of the map was made with,
4. that of the scale of the map,
5. the default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import Field, fields, replace
from typing import Any

from fol_vpr.config.recognition import RecognizerConfig
from fol_vpr.config.scale import SCALES

_CALIBRATED = {
    'retrieval': (
        'candidates', 'rerank', 'rerank_score', 'similarity_weight', 'min_relative_similarity',
        'shortlist', 'match_threshold',
    ),
    'verification': (
        'verify', 'min_inliers', 'min_inlier_ratio', 'min_regions', 'inlier_threshold',
        'max_gap', 'speed', 'place_radius', 'place_index_gap',
    ),
}  # fmt: skip
CALIBRATED = tuple(f'{group}.{key}' for group, keys in _CALIBRATED.items() for key in keys)
"""Settings that a calibration depends on, besides what the map itself fixes."""


_GROUPS = {spec.name for spec in fields(RecognizerConfig)}
_SCALED = frozenset(
    name for scale in SCALES.values() for name in scale.values if name.partition('.')[0] in _GROUPS
)
OF_THE_MAP = frozenset(CALIBRATED) | _SCALED
"""Settings of the recognition that are taken from the map where the user gives none."""


def declaration(name: str) -> Field[Any]:
    """The declaration of a setting of the recognition, such as `verification.place_radius`."""
    group, _, key = name.partition('.')
    return next(spec for spec in fields(getattr(RecognizerConfig(), group)) if spec.name == key)


def setting_of(config: RecognizerConfig, name: str) -> Any:
    """The value of a setting by its name, such as `verification.place_radius`."""
    group, _, key = name.partition('.')
    return getattr(getattr(config, group), key)


def settings_of(config: RecognizerConfig, names: Iterable[str] = CALIBRATED) -> dict[str, Any]:
    """The values of several settings by their names."""
    return {name: setting_of(config, name) for name in names}


def given_settings(config: RecognizerConfig) -> frozenset[str]:
    """Names of the settings that the user gave a value for, among those of maps.

    Where the configuration does not say (`RecognizerConfig.given` is None), these are the settings
    that differ from their default.
    """
    if config.given is not None:
        return config.given & OF_THE_MAP
    usual = RecognizerConfig()
    return frozenset(n for n in OF_THE_MAP if setting_of(config, n) != setting_of(usual, n))


def settings_in_use(
    config: RecognizerConfig, calibrated: Mapping[str, Any] | None = None, map_scale: str = ''
) -> RecognizerConfig:
    """The settings that are used with a map, in the order of the description of this module.

    Args:
        config: what the user set.
        calibrated: settings that the calibration of the map was made with, by name; None where
            there is no calibration or no map.
        map_scale: scale of the map, a key of `SCALES`; empty where it has none.

    Returns:
        The same configuration with other values; `given` stays what the user gave.
    """
    usual, given = RecognizerConfig(), given_settings(config)
    values = settings_of(usual, OF_THE_MAP)
    values.update(_of_scale(map_scale))
    values.update(calibrated or {})
    values.update(_of_scale(config.scale))
    groups: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if name not in given:
            group, _, key = name.partition('.')
            groups.setdefault(group, {})[key] = value
    parts = {group: replace(getattr(config, group), **new) for group, new in groups.items()}
    return replace(config, **parts, given=given)


def _of_scale(scale: str) -> dict[str, Any]:
    """All settings of the recognition that depend on the scale; none where it is empty."""
    if not scale:
        return {}
    values = {**settings_of(RecognizerConfig(), _SCALED), **SCALES[scale].values}
    return {name: values[name] for name in _SCALED}
