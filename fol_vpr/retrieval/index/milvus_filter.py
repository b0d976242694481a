"""Priors as filter expressions of Milvus."""

from __future__ import annotations

import json
import math

from fol_vpr.datatypes import EARTH_RADIUS, Prior

# Largest length of a session id in bytes.
MAX_TEXT = 1024


def prior_filter(prior: Prior | None) -> str:
    """A filter expression of Milvus for a prior: its sessions, and a box around its region."""
    if prior is None:
        return ''
    terms = []
    if prior.sessions:
        # Milvus expressions quote and escape text as JSON does.
        terms.append(f'session in {json.dumps(sorted(map(session_text, prior.sessions)))}')
    if prior.position is not None:
        x, y = prior.position
        terms.append(f'(not has_position or ({_within("x", x, prior.reach)} and '
                     f'{_within("y", y, prior.reach)}))')  # fmt: skip
    elif prior.geo is not None:
        degrees = math.degrees(prior.reach / EARTH_RADIUS)
        box = _within('latitude', prior.geo.latitude, degrees)
        narrowest = math.cos(math.radians(min(90.0, abs(prior.geo.latitude) + degrees)))
        # Near a pole or across the date line, a range of longitudes is no bound of the distance.
        if degrees < 180 * narrowest:
            east = degrees / narrowest
            if abs(prior.geo.longitude) + east < 180:
                box += f' and {_within("longitude", prior.geo.longitude, east)}'
        terms.append(f'(not has_geo or ({box}))')
    return ' and '.join(terms)


def _within(name: str, centre: float, reach: float) -> str:
    return f'{name} >= {centre - reach:.9f} and {name} <= {centre + reach:.9f}'


def session_text(value: str) -> str:
    """A session id as Milvus stores it, truncated to `MAX_TEXT` bytes."""
    return value.encode(errors='backslashreplace')[:MAX_TEXT].decode(errors='ignore')
