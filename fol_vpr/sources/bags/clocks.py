"""The clocks by which messages of a bag are stamped, compared with their times of reception."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

HEADER = 'header'
RECEPTION = 'reception'
STAMPS = (HEADER, RECEPTION)
"""Which time a message has: the stamp of its header, or when it was recorded."""

_RATIO = 3.0
"""Header stamps may cover this many times the time of reception, or this fraction of it: bags are
also recorded while another is played faster or slower."""
_MIN_SPAN = 0.2
"""Seconds; shorter recordings say nothing about their clock."""
_FEW = 0.1
"""Largest fraction of the messages that may repeat the stamp before them."""
_OFFSET = 2.0
"""Seconds by which clocks of two topics may differ: what processing takes is less."""
_STEADY = 1.0
"""Seconds between the delays of most messages, above which no offset can be told from them."""
_MIN_MESSAGES = 5
_YEAR = 365.25 * 86_400
_GPS_EPOCH = 315_964_800
"""Seconds from 1970 to 6 January 1980, from which GPS time counts."""


def header_stamp(msg: Any) -> int:
    """The stamp of a message's header in nanoseconds; 0 if it was not set or is negative."""
    stamp = msg.header.stamp
    return max(0, int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec))


class TopicClock:
    """Gives the messages of a topic their times, and notes how their clock runs.

    Args:
        stamps: `HEADER`, where the time of reception stands in for stamps of 0, or `RECEPTION`.
    """

    def __init__(self, stamps: str = HEADER) -> None:
        self._stamps = stamps
        self._headers = array('q')
        self._receptions = array('q')
        self._unstamped = 0
        self._seen = 0
        self._backwards = 0
        self._last_ns = 0

    def time_of(self, msg: Any, receive_ns: int) -> int:
        """The time of a message in nanoseconds.

        Args:
            msg: a message with a header.
            receive_ns: its time of reception.
        """
        header_ns = header_stamp(msg) if self._stamps == HEADER else receive_ns
        self._seen += 1
        self._unstamped += not header_ns
        stamp_ns = header_ns or receive_ns
        self._backwards += stamp_ns < self._last_ns
        self._last_ns = stamp_ns
        if header_ns:
            self._headers.append(header_ns)
            self._receptions.append(receive_ns)
        return stamp_ns

    @property
    def span(self) -> tuple[int, int]:
        """Earliest and latest header stamp in nanoseconds; zeros without any."""
        return (min(self._headers), max(self._headers)) if self._headers else (0, 0)

    def problems(self, of_what: str, backwards: str) -> list[str]:
        """What is wrong with the stamps, in words.

        Args:
            of_what: the messages, such as 'images on /camera'.
            backwards: what is done about stamps that run backwards.
        """
        found = []
        counted = f'of {self._seen} {of_what}'
        if self._unstamped:
            found.append(
                f'{self._unstamped} {counted} have a header stamp of 0; the time of reception '
                'is used'
            )
        if self._backwards:
            found.append(
                f'{self._backwards} {counted} have a stamp before that of their predecessor; '
                f'{backwards}'
            )
        if standing := self._not_running(of_what):
            found.append(standing)
        return found

    def offset_from(self, other: TopicClock) -> float:
        """Seconds by which this clock is ahead of another by the times of reception.

        0 where the difference is small, or cannot be told.
        """
        delays = self._steady_delay(), other._steady_delay()
        if delays[0] is None or delays[1] is None:
            return 0.0
        ahead = delays[1] - delays[0]
        return ahead if abs(ahead) > _OFFSET else 0.0

    def _steady_delay(self) -> float | None:
        """Median time in seconds from stamp to reception; None where it varies, or of few."""
        if self._stamps == RECEPTION or len(self._headers) < _MIN_MESSAGES:
            return None
        delays = (np.array(self._receptions) - np.array(self._headers)) / 1e9
        low, median, high = np.percentile(delays, [10, 50, 90])
        return float(median) if high - low < _STEADY else None

    def _not_running(self, of_what: str) -> str:
        """What tells that the header stamps are none, empty where they run as reception does."""
        if self._stamps == RECEPTION or len(self._headers) < 2:
            return ''
        headers, receptions = np.array(self._headers), np.array(self._receptions)
        covered = float(headers.max() - headers.min()) / 1e9
        took = float(receptions.max() - receptions.min()) / 1e9
        said = f'header stamps of the {len(headers)} {of_what}'
        if covered == 0:
            what = f'the {said} are all equal, {headers[0] / 1e9:.9f} s'
        elif took < _MIN_SPAN and covered < _MIN_SPAN:
            return ''
        elif covered * _RATIO < took:
            what = (
                f'the {said} cover {covered:.3g} s, though they were received over {took:.3g} s'
                f'{_as_factor(took / covered)}'
            )
        elif took >= _MIN_SPAN and covered > _RATIO * took:
            what = (
                f'the {said} cover {covered:.6g} s, though they were received over {took:.3g} s'
                f'{self._largest_step(headers, receptions) or _as_factor(covered / took)}'
            )
            return (
                f'{what}: unless the bag was recorded from a faster playback, their clock does '
                f'not run rightly; {_REMEDY}'
            )
        else:
            repeated = int((np.diff(headers) == 0).sum())
            if repeated <= _FEW * len(headers):
                return ''
            what = f'{repeated} of the {said} repeat the one before them'
        remedy = _REMEDY if took else 'their times of reception are all equal too'
        return f'{what}: their clock does not run; {remedy}'

    def _largest_step(self, headers: np.ndarray, receptions: np.ndarray) -> str:
        steps = np.diff(headers)
        at = int(np.argmax(np.abs(steps)))
        if abs(int(steps[at])) < 0.5 * (headers.max() - headers.min()):
            return ''
        return (
            f', with a jump of {steps[at] / 1e9:.6g} s between two that were received '
            f'{(receptions[at + 1] - receptions[at]) / 1e9:.3g} s apart'
        )


_REMEDY = '--stamps reception takes the times of reception instead'


def overlap_problem(images: tuple[int, int], poses: tuple[int, int], what: str) -> str:
    """Why the times of images and poses have nothing in common, and the remedy.

    Args:
        images: first and last time in nanoseconds.
        poses: likewise.
        what: the images, such as 'images on /camera'.
    """
    (first, last), (begin, end) = images, poses
    apart = (begin - last if begin > last else first - end) / 1e9
    clocks = _epoch(first), _epoch(begin)
    if clocks[0] != clocks[1]:
        cause = f'the {what} are stamped {clocks[0]}, and the poses {clocks[1]}'
    elif abs(abs(first - begin) / 1e9 - _GPS_EPOCH) < _YEAR / 12:
        cause = 'they are 10 years apart, as UTC and GPS time, which counts from 1980'
    else:
        cause = f'they are {apart:.6g} s apart: other drives, or clocks that were set differently'
    return (
        f'the {what} are of {first / 1e9:.3f} to {last / 1e9:.3f} s, and the poses of '
        f'{begin / 1e9:.3f} to {end / 1e9:.3f} s: {cause}; if both were recorded together, '
        f'{_REMEDY}'
    )


def offset_problem(ahead: float, poses: str, images: str) -> str:
    """How far the clock of the poses is ahead of that of the images, and the remedy."""
    leap = ' (GPS time is 18 s ahead of UTC)' if 17.5 < abs(ahead) < 18.5 else ''
    return (
        f'by the times of reception, the clock that stamps {poses} is {abs(ahead):.3g} s '
        f'{"ahead of" if ahead > 0 else "behind"} that of {images}{leap}, so that images get the '
        f'poses of another moment; {_REMEDY}'
    )


def _epoch(stamp_ns: int) -> str:
    """What a time seems to count from."""
    years = stamp_ns / 1e9 / _YEAR
    if years < 3:
        return 'from a start (since boot, or simulated)'
    return 'by the date' if years < 100 else 'in another unit, or wrongly set'


def _as_factor(ratio: float) -> str:
    """How large a factor is where it is one between units; else nothing."""
    for power in (3, 6, 9):
        if 0.9 < ratio / 10**power < 1.1:
            return f' (a factor of 1e{power}: another unit)'
    return ''
