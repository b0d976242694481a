"""Priors as filter expressions that Milvus Lite and the servers understand alike.

The expressions hold no text, so that nothing has to be quoted, and no boolean column without a
comparison, which servers refuse.
"""

from __future__ import annotations

import hashlib
import math

from fol_vpr.datatypes import EARTH_RADIUS, Prior

# Sessions in a filter; a prior with more of them is applied here alone.
MAX_SESSIONS = 1000
# Servers compare bounds as decimal numbers, which are rounded to this many digits.
DIGITS = 9
# Numbers beyond it would be written with exponents.
LARGEST = 1e15


def prior_filter(prior: Prior | None) -> str:
    """A filter expression for a prior: its sessions, and a box around its region.

    The expression allows all that the prior allows, and somewhat more.
    """
    if prior is None:
        return ''
    terms = []
    if 0 < len(prior.sessions) <= MAX_SESSIONS:
        numbers = sorted(set(map(session_number, prior.sessions)))
        terms.append(f'session in [{", ".join(map(str, numbers))}]')
    if prior.position is not None:
        x, y = prior.position
        box = [*_within('x', x, prior.reach), *_within('y', y, prior.reach)]
        terms += _or_unknown('has_position', box)
    elif prior.geo is not None:
        degrees = math.degrees(prior.reach / EARTH_RADIUS)
        box = _within('latitude', prior.geo.latitude, degrees)
        narrowest = math.cos(math.radians(min(90.0, abs(prior.geo.latitude) + degrees)))
        # Near a pole or across the date line, a range of longitudes is no bound of the distance.
        if degrees < 180 * narrowest:
            east = degrees / narrowest
            if abs(prior.geo.longitude) + east < 180:
                box += _within('longitude', prior.geo.longitude, east)
        terms += _or_unknown('has_geo', box)
    return ' and '.join(terms)


def _or_unknown(column: str, box: list[str]) -> list[str]:
    """No term where the box has no bounds."""
    return [f'({column} == false or ({" and ".join(box)}))'] if box else []


def _within(name: str, centre: float, reach: float) -> list[str]:
    """Bounds of a column, widened by more than what rounding takes off."""
    reach += 10.0**-DIGITS + 1e-12 * abs(centre)
    return [
        f'{name} {sign} {bound:.{DIGITS}f}'
        for sign, bound in (('>=', centre - reach), ('<=', centre + reach))
        if abs(bound) <= LARGEST
    ]


def session_number(name: str) -> int:
    """A session id as the number that stands for it in the collection: a hash of 63 bits."""
    digest = hashlib.blake2b(name.encode(errors='surrogatepass'), digest_size=8).digest()
    return int.from_bytes(digest, 'little') % (2**63 - 1)
