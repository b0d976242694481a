"""From the evidence for a place to odds, and from the filter's belief to a probability.

A calibration is learned from drives through the user's own map (`fol_vpr calibrate`) and lies in
the map as JSON. It is a file of somebody's, so that nothing of it is believed unchecked.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from fol_vpr.decision.evidence import FEATURES, MORE_IS_BETTER
from fol_vpr.errors import MapError

ROW = 'decision'
"""Name of its row in the calibration table of a map."""
VERSION = 1
# One image says no more than this, whatever its numbers: log of a likelihood ratio.
MAX_LOG_RATIO = 7.0
# A probability is never called 0 or 1 by so much, in log odds: one in about 22,000.
MAX_LOG_ODDS = 10.0
MIN_SHARE = 1e-3
# Of what is read: with less, quotients overflow.
_LEAST_NUMBER = 1e-6
_LARGEST_NUMBER = 1e6


@dataclass(frozen=True)
class Scaling:
    """What the filter's belief is worth: a logistic regression on its log odds (Platt 1999).

    Attributes:
        slope: of the log odds of the belief; not negative, so that more belief never means a
            smaller probability.
        offset: added to that.
        share: of the log of the share that the place itself has in the belief, of which what is
            beside it has the rest; not negative.
    """

    slope: float = 1.0
    offset: float = 0.0
    share: float = 0.0

    def probability(self, belief: float, share: float = 1.0) -> float:
        """The probability for a belief, and a share in it, all from 0 to 1."""
        shared = math.log(max(share, MIN_SHARE))
        return logistic(self.slope * log_odds(belief) + self.share * shared + self.offset)


@dataclass(frozen=True, eq=False)
class Calibration:
    """How much the evidence for a place says, and what the filter's belief is worth.

    Attributes:
        mean, scale, weights: [F] each, for the numbers that `FEATURES` names: the log likelihood
            ratio of a place is `(features - mean) / scale @ weights + offset`.
        offset: of the log likelihood ratio.
        miss: how often the right place is not among those that were looked at.
        repeat: how often an image that shows no place of the map leads to the place that the
            image before it led to.
        place: for the belief in a place.
        nowhere: for the belief that the image shows no place of the map.
        made: what it was made from, for people and programs; plain JSON values.
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    offset: float
    miss: float
    repeat: float
    place: Scaling = Scaling()
    nowhere: Scaling = Scaling()
    made: Mapping[str, Any] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Calibration) and self.to_rows() == other.to_rows()

    def __hash__(self) -> int:
        return hash(self.to_rows()[ROW])

    def log_ratio(self, features: np.ndarray) -> float:
        """Log likelihood ratio of a place [F]: how much rather its evidence is seen there."""
        raw = float((features - self.mean) / self.scale @ self.weights) + self.offset
        return max(-MAX_LOG_RATIO, min(MAX_LOG_RATIO, raw))

    def to_rows(self) -> dict[str, str]:
        """Rows for the calibration table of a map."""
        columns = zip(FEATURES, self.mean, self.scale, self.weights, strict=True)
        value = {
            'version': VERSION,
            'features': {
                name: {'mean': float(mean), 'scale': float(scale), 'weight': float(weight)}
                for name, mean, scale, weight in columns
            },
            'offset': self.offset,
            'miss': self.miss,
            'repeat': self.repeat,
            'place': asdict(self.place),
            'nowhere': asdict(self.nowhere),
            'made': dict(self.made),
        }
        return {ROW: json.dumps(value, allow_nan=False)}

    @classmethod
    def from_rows(cls, rows: Mapping[str, str], path: str) -> Calibration | None:
        """The inverse of `to_rows`; None where a map has no calibration.

        Raises:
            MapError: it is not one that can be used.
        """
        if ROW not in rows:
            return None
        try:
            return cls._from_json(json.loads(rows[ROW], parse_constant=_refuse))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise MapError(
                f'the calibration in {path} cannot be used ({error}): make it again with '
                f'`fol_vpr calibrate --map {path}`'
            ) from error

    @classmethod
    def _from_json(cls, value: Any) -> Calibration:
        if value['version'] != VERSION:
            raise ValueError(f'it is of version {value["version"]}, expected {VERSION}')
        if set(value['features']) != set(FEATURES):
            raise ValueError(f'it knows {", ".join(value["features"])}')
        columns = [value['features'][name] for name in FEATURES]
        mean, scale, weights = (
            np.array([_number(column[key]) for column in columns])
            for key in ('mean', 'scale', 'weight')
        )
        if (scale < _LEAST_NUMBER).any():
            raise ValueError(f'a scale is under {_LEAST_NUMBER}')
        if any(w < 0 for n, w in zip(FEATURES, weights, strict=True) if n in MORE_IS_BETTER):
            raise ValueError('a weight is negative')
        made = value['made']
        if not isinstance(made, dict):
            raise TypeError('what it was made from is missing')
        return cls(
            mean,
            scale,
            weights,
            offset=_number(value['offset']),
            miss=_open_share(value['miss']),
            repeat=_open_share(value['repeat']),
            place=_scaling(value['place']),
            nowhere=_scaling(value['nowhere']),
            made=made,
        )


def log_odds(probability: float) -> float:
    """Log odds, limited so that certainty stays finite."""
    least = logistic(-MAX_LOG_ODDS)
    inside = min(max(probability, least), 1 - least)
    return math.log(inside / (1 - inside))


def logistic(value: float) -> float:
    """1 / (1 + e^-value)."""
    if value >= 0:
        return 1 / (1 + math.exp(-min(value, 700.0)))
    return math.exp(max(value, -700.0)) / (1 + math.exp(max(value, -700.0)))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f'{value!r} is no number')
    if not abs(value) <= _LARGEST_NUMBER:
        raise ValueError(f'{value} is no sensible number')
    return float(value)


def _open_share(value: Any) -> float:
    number = _number(value)
    if not _LEAST_NUMBER <= number <= 1 - _LEAST_NUMBER:
        raise ValueError(f'{number} is no share between 0 and 1')
    return number


def _scaling(value: Any) -> Scaling:
    found = Scaling(*(_number(value[name]) for name in ('slope', 'offset', 'share')))
    if min(found.slope, found.share) < 0:
        raise ValueError(f'a slope is {min(found.slope, found.share)}')
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f'{constant} is no number')


def _defaults(
    offset: float,
    miss: float,
    repeat: float,
    place: Scaling,
    **numbers: tuple[float, float, float],
) -> Calibration:
    """Of mean, scale and weight of each feature; one that is not named counts nothing."""
    rows = [numbers.get(name, (0.0, 1.0, 0.0)) for name in FEATURES]
    mean, scale, weights = (np.array(column) for column in zip(*rows, strict=True))
    return Calibration(mean, scale, weights, offset, miss, repeat, place)


DEFAULTS = _defaults(
    offset=-2.7,
    miss=0.3,
    repeat=0.5,
    place=Scaling(slope=0.85, share=3.0),
    standing=(1.9, 0.8, 0.35),
    margin=(0.0, 1.1, 0.65),
    match_margin=(0.7, 1.4, 0.5),
    inliers=(3.6, 1.5, 1.65),
    inlier_ratio=(0.3, 0.2, 0.4),
    regions=(3.4, 1.5, 0.9),
)
"""For maps without a calibration: fitted to four drives through three maps together, with one off
the offset. Neither the similarity nor the number of matches counts: each network has its own.
"""
