"""Which messages of a satellite receiver hold a position."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from typing import Any

import numpy as np

from fol_vpr.datatypes import MAX_ALTITUDE

NO_FIX = -1
"""NavSatStatus.STATUS_NO_FIX."""
STATUS_UNKNOWN = -2
"""NavSatStatus.STATUS_UNKNOWN, the default since ROS 2 Jazzy; before, the default was 0, a fix."""
MAX_DEVIATION = 100.0
"""Metres; a receiver that claims a larger standard deviation is still searching satellites."""


def fix_values(msg: Any) -> list[float] | str:
    """Latitude, longitude and altitude of a NavSatFix, or the problem in words."""
    if msg.status.status == NO_FIX or msg.status.status < STATUS_UNKNOWN:
        return 'have no satellite fix and were skipped'
    if not (abs(msg.latitude) <= 90 and abs(msg.longitude) <= 180):
        return 'have no valid latitude and longitude and were skipped'
    if msg.latitude == 0 and msg.longitude == 0:
        return (
            'are at latitude 0 and longitude 0, which receivers give before their first fix, and '
            'were skipped'
        )
    known = abs(msg.altitude) <= MAX_ALTITUDE
    return [msg.latitude, msg.longitude, msg.altitude if known else math.nan]


class FixQuality:
    """What messages say of the quality of their fixes, which counts where it tells them apart."""

    def __init__(self) -> None:
        self._unset = array('b')
        self._vague = array('b')
        self._unfilled = 0

    def add(self, msg: Any) -> None:
        """Note the quality of a usable message."""
        variances = (msg.position_covariance[0], msg.position_covariance[4])
        claims = msg.position_covariance_type > 0
        self._unset.append(msg.status.status == STATUS_UNKNOWN)
        self._vague.append(claims and any(value > MAX_DEVIATION**2 for value in variances))
        self._unfilled += msg.status.status == 0 and msg.status.service == 0

    def select(self, troubles: Counter[str]) -> np.ndarray:
        """Which messages [N] are used; the problems of all are counted in `troubles`."""
        unset, vague = (np.array(each, bool) for each in (self._unset, self._vague))
        used = np.ones(len(unset), bool)
        if unset.any():
            if unset.all():
                what = '-2, never set; their positions are used, though a lost fix is not seen'
            else:
                used &= ~unset
                what = '-2, never set, unlike that of the others, and were skipped'
            troubles[f'have the status {what}'] += int(unset.sum())
        elif len(unset) and self._unfilled == len(unset):
            troubles[
                'have the status 0 and the service 0: the status was never set; their positions '
                'are used, though a lost fix is not seen'
            ] += self._unfilled
        if (vague & used).any():
            found = int((vague & used).sum())
            claim = f'claim a standard deviation of more than {MAX_DEVIATION:g} m'
            if (vague | ~used).all():
                troubles[f'{claim}; their positions are used all the same'] += found
            else:
                used &= ~vague
                troubles[f'{claim} and were skipped'] += found
        return used
