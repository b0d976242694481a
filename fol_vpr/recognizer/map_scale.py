"""The scale that a map probably has, for maps of which nobody said it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fol_vpr.config import (
    DEFAULT_SCALE,
    RecognizerConfig,
    given_settings,
    probable_scale,
    setting_of,
)
from fol_vpr.datatypes import MapInfo, Place
from fol_vpr.decision import geo_metres

RADIUS = 'verification.place_radius'


def extent_of(places: Sequence[Place]) -> float:
    """Distance in metres between opposite corners of the box around all positions.

    Args:
        places: of a map; the poses count, and geodetic positions where there are no poses.

    Returns:
        NaN where fewer than two places have a position.
    """
    positions = [p.pose.position for p in places if p.pose is not None]
    if not positions:
        positions = [at for p in places if (at := geo_metres(p)) is not None]
    if len(positions) < 2:
        return math.nan
    rows = np.array(positions)
    return float(np.linalg.norm(rows.max(axis=0) - rows.min(axis=0)))


def scale_hint(places: Sequence[Place], info: MapInfo, config: RecognizerConfig) -> str:
    """A hint that the lengths in use are probably not those of the map; empty for none.

    None is given where somebody named a scale or the radius of a place, or calibrated the map.
    """
    named = config.scale or info.scale or info.calibrated or RADIUS in given_settings(config)
    if named or setting_of(config, RADIUS) != setting_of(RecognizerConfig(), RADIUS):
        return ''
    extent = extent_of(places)
    if math.isnan(extent) or (probable := probable_scale(extent)) == DEFAULT_SCALE:
        return ''
    return (
        f'the whole map is {extent:.3g} m across: --scale {probable}? Nobody named a scale, so '
        f'the lengths are those of {DEFAULT_SCALE}, such as a place radius of '
        f'{setting_of(config, RADIUS):g} m; `fol_vpr map save {info.path} --scale {probable}` '
        'stores it in the map'
    )
