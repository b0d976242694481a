"""A calibration as the JSON that the calibration table of a map keeps, checked when it is read.

Versions of the format:

1. features `standing`, `margin` and `checked`; keys `miss`, `repeat`, `place`, `nowhere` and
   `made`; settings by the names that they had then.
2. the names of `FEATURES`, of the fields of `Calibration` and of today's settings, of which
   `provenance.settings` has some.
3. `settings` has all that the calibration depends on, by the names of the parameters.
4. the feature `size_agreement`; `exact_weight` of each feature, `exact_offset`, and
   `exactness_slope` of a scaling.

Version 4 is written; all are read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import numpy as np

from fol_vpr.config import CALIBRATED, check_setting, declaration
from fol_vpr.decision.calibration import Calibration, PlattScaling
from fol_vpr.decision.evidence import FEATURES, MORE_IS_BETTER
from fol_vpr.errors import InputError, MapError
from fol_vpr.json_text import parse_json

ROW = 'decision'
"""Name of the row in the calibration table of a map."""
VERSION = 4
# Numbers outside these are refused: quotients of them would overflow.
_MIN_NUMBER = 1e-6
_MAX_NUMBER = 1e6

# From the names of version 1 to those of version 2.
_KEYS_1 = {
    'miss': 'miss_rate',
    'repeat': 'repeat_rate',
    'place': 'place_scaling',
    'nowhere': 'outside_scaling',
    'made': 'provenance',
}
_FEATURES_1 = {
    'standing': 'similarity_zscore',
    'margin': 'similarity_margin',
    'checked': 'geometry_checked',
}
_SCALING_1 = {'share': 'share_slope'}
_PROVENANCE_1 = {
    'made': 'created',
    'calibration_error_nowhere': 'calibration_error_outside',
}
_SETTINGS_1 = {
    'agreement_radius': 'place_radius',
    'agreement_index': 'place_index_gap',
    'order': 'rerank_score',
    'least_standing': 'min_relative_similarity',
    'measure': 'refine_pose',
}
_RERANK_SCORES_1 = {'evidence': 'spatial', 'matches': 'match_count'}


def calibration_to_rows(calibration: Calibration) -> dict[str, str]:
    """Rows for the calibration table of a map: JSON by name.

    Raises:
        ValueError: a number is not finite.
    """
    columns = {
        'mean': calibration.mean,
        'scale': calibration.scale,
        'weight': calibration.weights,
        'exact_weight': calibration.exact_weights,
    }
    value = {
        'version': VERSION,
        'features': {
            name: {key: float(column[row]) for key, column in columns.items()}
            for row, name in enumerate(FEATURES)
        },
        'offset': calibration.offset,
        'exact_offset': calibration.exact_offset,
        'miss_rate': calibration.miss_rate,
        'repeat_rate': calibration.repeat_rate,
        'place_scaling': asdict(calibration.place_scaling),
        'outside_scaling': asdict(calibration.outside_scaling),
        'settings': dict(calibration.settings),
        'provenance': dict(calibration.provenance),
    }
    return {ROW: json.dumps(value, allow_nan=False)}


def calibration_from_rows(rows: Mapping[str, str], path: str) -> Calibration | None:
    """The calibration in the calibration table of a map; None where it has none.

    Args:
        rows: of the table, JSON by name.
        path: of the map, for messages.

    Raises:
        MapError: the row is not JSON, of an unknown version, or holds values out of range.
    """
    if ROW not in rows:
        return None
    try:
        value: Any = parse_json(rows[ROW])
        if value['version'] == 1:
            value = _from_version_1(value)
        if value['version'] == 2:
            value = _from_version_2(value)
        if value['version'] == 3:
            value = _from_version_3(value)
        if value['version'] != VERSION:
            raise ValueError(f'it is of version {value["version"]}, expected {VERSION}')
        return _parse(value)
    except (KeyError, TypeError, ValueError, AttributeError, InputError) as error:
        raise MapError(
            f'the calibration in {path} cannot be used ({error}): make it again with '
            f'`fol_vpr calibrate --map {path}`'
        ) from error


def _parse(value: Any) -> Calibration:
    if set(value['features']) != set(FEATURES):
        raise ValueError(f'its features are {", ".join(value["features"])}')
    columns = [value['features'][name] for name in FEATURES]
    mean, scale, weights, exact_weights = (
        np.array([_number(column[key]) for column in columns])
        for key in ('mean', 'scale', 'weight', 'exact_weight')
    )
    if (scale < _MIN_NUMBER).any():
        raise ValueError(f'a scale is under {_MIN_NUMBER}')
    for each in (weights, exact_weights):
        if any(w < 0 for n, w in zip(FEATURES, each, strict=True) if n in MORE_IS_BETTER):
            raise ValueError('a weight is negative')
    provenance = value['provenance']
    if not isinstance(provenance, dict):
        raise TypeError('what it was made from is missing')
    return Calibration(
        mean,
        scale,
        weights,
        offset=_number(value['offset']),
        miss_rate=_rate(value['miss_rate']),
        repeat_rate=_rate(value['repeat_rate']),
        exact_weights=exact_weights,
        exact_offset=_number(value['exact_offset']),
        place_scaling=_scaling(value['place_scaling']),
        outside_scaling=_scaling(value['outside_scaling']),
        settings=_settings(value['settings']),
        provenance=provenance,
    )


def _settings(values: Any) -> dict[str, Any]:
    """Settings by name, each of its type and within its range."""
    if not isinstance(values, dict):
        raise TypeError('the settings that it was made with are missing')
    if unknown := sorted(values.keys() - set(CALIBRATED)):
        raise ValueError(f'it depends on unknown settings: {", ".join(unknown)[:200]}')
    return {name: _setting(name, value) for name, value in values.items()}


def _setting(name: str, value: Any) -> Any:
    spec = declaration(name)
    kind = type(spec.default)
    if kind is float:
        value = _number(value)
    elif type(value) is not kind:
        raise TypeError(f'its setting {name} is {str(value)[:50]!r}')
    check_setting(spec, value)
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f'{value!r} is not a number')
    if not abs(value) <= _MAX_NUMBER:
        raise ValueError(f'{value} is not within ±{_MAX_NUMBER:.0f}')
    return float(value)


def _rate(value: Any) -> float:
    number = _number(value)
    if not _MIN_NUMBER <= number <= 1 - _MIN_NUMBER:
        raise ValueError(f'{number} is not between 0 and 1')
    return number


def _scaling(value: Any) -> PlattScaling:
    names = ('slope', 'offset', 'share_slope', 'exactness_slope')
    scaling = PlattScaling(*(_number(value[name]) for name in names))
    least = min(scaling.slope, scaling.share_slope, scaling.exactness_slope)
    if least < 0:
        raise ValueError(f'a slope is {least}')
    return scaling


# ---- older versions


def _from_version_1(value: dict[str, Any]) -> dict[str, Any]:
    """A calibration of version 1 as one of version 2; what is malformed stays so."""
    value = {**_renamed(value, _KEYS_1), 'version': 2}
    value['features'] = _renamed(value['features'], _FEATURES_1)
    for name in ('place_scaling', 'outside_scaling'):
        value[name] = _renamed(value[name], _SCALING_1)
    if isinstance(value['provenance'], dict):
        value['provenance'] = _renamed(value['provenance'], _PROVENANCE_1)
        settings = value['provenance'].get('settings')
        if isinstance(settings, dict):
            value['provenance']['settings'] = _renamed_settings(settings)
    return value


def _renamed_settings(settings: dict[str, Any]) -> dict[str, Any]:
    renamed = _renamed(settings, _SETTINGS_1)
    score = renamed.get('rerank_score')
    if isinstance(score, str):
        renamed['rerank_score'] = _RERANK_SCORES_1.get(score, score)
    return renamed


def _renamed(value: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): each for key, each in value.items()}


def _from_version_2(value: dict[str, Any]) -> dict[str, Any]:
    """A calibration of version 2 as one of version 3, with the settings that it has recorded."""
    provenance = value.get('provenance')
    if not isinstance(provenance, dict):
        return {**value, 'version': 3, 'settings': {}}
    kept = {key: each for key, each in provenance.items() if key != 'settings'}
    recorded = provenance.get('settings')
    settings: dict[str, Any] = {}
    for name in CALIBRATED:
        key = name.partition('.')[2]
        if isinstance(recorded, dict) and key in recorded:
            with suppress(TypeError, ValueError, InputError):
                settings[name] = _setting(name, recorded[key])
    return {**value, 'version': 3, 'settings': settings, 'provenance': kept}


def _from_version_3(value: dict[str, Any]) -> dict[str, Any]:
    """A calibration of version 3 as one of version 4, whose exactness is always 0.

    Raises:
        ValueError: it has a feature that version 3 did not have.
    """
    if 'size_agreement' in value['features']:
        raise ValueError('version 3 has no feature size_agreement')
    known = {name: {**value['features'][name], 'exact_weight': 0.0} for name in value['features']}
    added = {'mean': 0.0, 'scale': 1.0, 'weight': 0.0, 'exact_weight': 0.0}
    scalings = {
        name: {**value[name], 'exactness_slope': 0.0}
        for name in ('place_scaling', 'outside_scaling')
    }
    return {
        **value,
        **scalings,
        'version': VERSION,
        'features': {**known, 'size_agreement': added},
        'exact_offset': 0.0,
    }
