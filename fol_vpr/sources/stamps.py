"""Times in files: seconds, milliseconds, microseconds or nanoseconds, told apart by magnitude."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from fol_vpr.files import printable

MAX_STAMP_NS = 2**63 - 1
_TOO_LATE = 10**20
_NS_PER = {'seconds': 10**9, 'milliseconds': 10**6, 'microseconds': 10**3, 'nanoseconds': 1}
_ABBREVIATIONS = {
    's': 'seconds', 'sec': 'seconds', 'secs': 'seconds', 'second': 'seconds',
    'ms': 'milliseconds', 'msec': 'milliseconds', 'us': 'microseconds', 'µs': 'microseconds',
    'μs': 'microseconds', 'usec': 'microseconds', 'ns': 'nanoseconds', 'nsec': 'nanoseconds',
}  # fmt: skip
# Since 1970: the year 5138 in seconds is 1973 in milliseconds, and so on.
_LIMITS = {'seconds': 10**11, 'milliseconds': 10**14, 'microseconds': 10**17}


class StampUnit(NamedTuple):
    """The unit of the times of a file.

    Attributes:
        name: seconds, milliseconds, microseconds or nanoseconds.
        ns: nanoseconds in one.
    """

    name: str
    ns: int

    def stamp_ns(self, text: str) -> int:
        """The time in whole nanoseconds, exactly.

        Raises:
            ValueError: the text is no number, is negative, or lies after the year 2262, the last
                that 64 bits can hold.
        """
        if len(text) < 20 and text.isascii() and text.isdigit():
            stamp = int(text) * self.ns
        else:
            number = _number(text)
            if number is None:
                raise ValueError(f'{printable(text)!r} is no time in {self.name}')
            # An int of 1e999999 would take minutes.
            stamp = (
                int((number * self.ns).to_integral_value())
                if number.copy_abs() < _TOO_LATE
                else -1
            )
        if not 0 <= stamp <= MAX_STAMP_NS:
            raise ValueError(f'{text!r} is not a time in {self.name} between 1970 and 2262')
        return stamp


def named_unit(name: str) -> StampUnit | None:
    """The unit that people call so, such as ns, µs or seconds; None for other words."""
    word = name.strip().lower()
    full = _ABBREVIATIONS.get(word, word)
    return StampUnit(full, _NS_PER[full]) if full in _NS_PER else None


def unit_of(texts: Iterable[str]) -> StampUnit:
    """The unit of times since 1970, by their magnitude; small numbers are seconds from a start.

    Texts that are no numbers are ignored.

    Raises:
        ValueError: the smallest and the largest time are of different units by their magnitude.
    """
    numbers = [number for text in texts if (number := _number(text)) is not None]
    if not numbers:
        return StampUnit('seconds', _NS_PER['seconds'])
    first, last = min(numbers), max(numbers)
    units = {_unit(first), _unit(last)}
    if len(units) > 1:
        raise ValueError(
            f'times run from {first} to {last}, which are {_unit(first)} and {_unit(last)} by '
            'their magnitude; name the column stamp_ns if they are nanoseconds, or timestamp_us, '
            'timestamp_ms or timestamp_s'
        )
    name = units.pop()
    return StampUnit(name, _NS_PER[name])


def _unit(number: Decimal) -> str:
    return next(
        (name for name, limit in _LIMITS.items() if number.copy_abs() < limit), 'nanoseconds'
    )


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip())
    except (ArithmeticError, ValueError):
        return None
    # Arithmetic with 1e999999999 overflows.
    return number if number.is_finite() and abs(number.adjusted()) < 100 else None
