"""Opens a map without a network, and finds the network that it was made with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from fol_vpr.config import (
    DEFAULT_SCALE,
    SCALES,
    NetworkConfig,
    RecognizerConfig,
    settings_in_use,
    settings_of,
    with_values,
)
from fol_vpr.database import MapReader, read_info
from fol_vpr.decision import Calibration, CalibrationQuality, calibration_from_rows
from fol_vpr.errors import InputError, WeightsError
from fol_vpr.mapping import MapOverview
from fol_vpr.network.preprocessing import with_preprocessing
from fol_vpr.network.runtime.selection import find_network
from fol_vpr.recognizer.calibration_fit import calibration_remarks
from fol_vpr.recognizer.map_scale import extent_of, scale_hint


def open_map(path: str | Path) -> MapReader:
    """Open a map to read its places, images and header, without a network.

    Raises:
        MapError: no such map, or a damaged one.
    """
    return MapReader(path)


@dataclass(frozen=True)
class MapDescription:
    """What a map says of its places, calibration and scale, for people.

    Attributes:
        scale: of the surroundings; empty where nobody named it.
        calibration: of the map; None where it has none.
        extent: metres between opposite corners of the box around all positions; NaN if unknown.
        overview: what its places cover.
        created: when the map was begun, ISO 8601 in UTC.
        config: the settings that it is used with, where none is given.
        remarks: what users should know, each with its remedy.
    """

    scale: str
    calibration: Calibration | None
    extent: float
    overview: MapOverview
    created: str
    config: RecognizerConfig
    remarks: tuple[str, ...]

    @property
    def calibration_facts(self) -> Mapping[str, Any]:
        """What the calibration was made from; empty where there is none."""
        return {} if self.calibration is None else self.calibration.provenance

    @property
    def quality(self) -> CalibrationQuality | None:
        """How good the calibration is; None where the map has none."""
        return None if self.calibration is None else CalibrationQuality.of(self.calibration)

    def as_json(self) -> dict[str, Any]:
        """Values for JSON; `calibration` is None where the map has none."""
        calibration, quality = self.calibration, self.quality
        values: dict[str, Any] = {
            'created': self.created,
            **self.overview.as_json(),
            'extent_m': self.extent,
            'remarks': list(self.remarks),
        }
        values['calibration'] = None
        if calibration is not None and quality is not None:
            values['calibration'] = {
                'quality': quality.word,
                'calibration_error': quality.error,
                'calibration_error_outside': quality.error_outside,
                'settings': dict(calibration.settings),
                'provenance': dict(calibration.provenance),
            }
        return values

    def rows(self) -> list[list[str]]:
        """Name and value of what is known, for a table."""
        scale = self.scale or f'not named; the lengths are those of {DEFAULT_SCALE}'
        if not math.isnan(self.extent):
            scale += f'; {self.extent:.3g} m across'
        rows = [*self.overview.rows(), ['created', self.created], ['scale', scale]]
        if self.calibration is None:
            return rows
        facts, usual = self.calibration_facts, settings_of(RecognizerConfig())
        other = [
            f'{name} {value:g}' if isinstance(value, float) else f'{name} {value}'
            for name, value in self.calibration.settings.items()
            if value != usual[name]
        ]
        images, right = facts.get('images', '?'), facts.get('ground_truth', 'not recorded')
        return [
            *rows,
            ['calibration', str(self.quality)],
            ['calibrated by', f'{images} images; right: {right}'],
            ['calibrated with', ', '.join(other) or 'the default settings'],
        ]


def describe_map(path: str | Path, *, gap: float | None = None) -> MapDescription:
    """Read what a map says of its places, calibration and scale, without a network.

    Args:
        path: the map.
        gap: metres without a reference along a session that count as a gap; None takes the radius
            of a place.

    Raises:
        MapError: no such map, a damaged one, or one with a calibration that cannot be used.
    """
    with MapReader(path) as reader:
        calibration = calibration_from_rows(reader.calibration(), str(path))
        remarks = [] if calibration is None else calibration_remarks(reader.info, calibration)
        recorded = None if calibration is None else calibration.settings
        config = settings_in_use(RecognizerConfig(), recorded, reader.info.scale)
        if hint := scale_hint(reader.places, reader.info, config):
            remarks.append(hint)
        radius = config.verification.place_radius
        overview = MapOverview(
            reader.places,
            dict(reader.header.sources),
            radius=radius,
            gap=radius if gap is None else gap,
        )
        return MapDescription(
            scale=reader.info.scale,
            calibration=calibration,
            extent=extent_of(reader.places),
            overview=overview,
            created=reader.meta['created'],
            config=config,
            remarks=tuple(remarks),
        )


def network_config_from_map(
    path: str | Path, weights: str | None = None, runtime: str = NetworkConfig.runtime
) -> NetworkConfig:
    """Settings of the network and the preprocessing that a map was made with.

    Args:
        path: the map.
        weights: file or name to use instead of the recorded one.
        runtime: that the network is to run in; others than torch need the exported file.

    Raises:
        MapError: no such map, or a damaged one.
        WeightsError: the recorded weights, or their exported file, are not on this machine.
        InputError: the map names a preprocessing that this version does not know.
    """
    info = read_info(path)
    config = with_preprocessing(NetworkConfig(runtime=runtime), info.preprocessing_id)
    if weights is None:
        try:
            weights = find_network(info.weights_name, config, Path(path).parent)
        except WeightsError as error:
            raise WeightsError(
                f'{path} needs the weights that it was made with, {info.weights_name!r} '
                f'({info.model_id[:19]}), which are not on this machine: give their file as '
                f'weights, or put it beside the map. In detail: {error}'
            ) from error
    return replace(config, weights=weights)


def recognizer_config_from_map(
    path: str | Path,
    *,
    weights: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    scale: str = '',
) -> RecognizerConfig:
    """The settings of a recognizer for a map: those given, and otherwise the map's.

    Args:
        path: the map.
        weights: file or name to use instead of the recorded one.
        settings: by name, such as `retrieval.candidates`.
        scale: of the surroundings, instead of that of the map; empty takes the map's.

    Raises:
        MapError: no such map, or a damaged one.
        WeightsError: the recorded weights, or their exported file, are not on this machine.
        InputError: a setting is unknown or outside its range, or there is no such scale.
    """
    values = dict(settings or {})
    if scale and scale not in SCALES:
        raise InputError(f'the scale is {scale!r}, expected one of {", ".join(SCALES)}')
    usual = RecognizerConfig()
    groups = {spec.name: getattr(usual, spec.name) for spec in fields(usual)}
    groups = {name: part for name, part in groups.items() if is_dataclass(part)}
    # Checked before the map is opened: its runtime decides which file of weights is looked for.
    wanted = with_values(groups, values)
    given_weights = values.pop('network.weights', None) if weights is None else str(weights)
    network = network_config_from_map(path, given_weights, wanted['network'].runtime)
    wanted = with_values({**groups, 'network': network}, values)
    return RecognizerConfig(**wanted, scale=scale, given=frozenset(values))
