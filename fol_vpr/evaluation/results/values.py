"""Values of a JSON document with the way to them, so that an error can name the key."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, NoReturn, TypeVar

import numpy as np

from fol_vpr.datatypes.geometry import MAX_COORDINATE
from fol_vpr.errors import InputError
from fol_vpr.files import printable

T = TypeVar('T')
E = TypeVar('E', bound=Enum)
MAX_TEXT = 4096
MAX_INTEGER = 2**53
"""Largest integer that every reader of JSON keeps exactly."""


class Node:
    """A value of a document.

    Every method that returns a value raises an InputError which names the file, the key, what is
    there, and what was expected.

    Args:
        value: as `parse_json` returns it.
        file: for messages.
        key: the way to the value, such as `per_query[3].state`; empty for the whole.
    """

    def __init__(self, value: Any, file: str, key: str = '') -> None:
        self._value = value
        self._file = file
        self._key = key

    def __getitem__(self, name: str) -> Node:
        """The value of a key, which must be there."""
        if not isinstance(self._value, dict):
            self._fail('an object')
        way = f'{self._key}.{name}' if self._key else name
        if name not in self._value:
            raise InputError(
                f'{self._file} has no key "{way}", expected one; the file is cut or was edited: '
                'evaluate again'
            )
        return Node(self._value[name], self._file, way)

    def _fail(self, expected: str) -> NoReturn:
        raise InputError(
            f'{self._file}: "{self._key}" is {printable(repr(self._value), 80)}, expected '
            f'{expected}; the file was edited or damaged: evaluate again'
        )

    @property
    def is_null(self) -> bool:
        """Whether the value is null."""
        return self._value is None

    def optional(self, read: Callable[[Node], T]) -> T | None:
        """What `read` makes of the value, None where it is null."""
        return None if self._value is None else read(self)

    def items(self) -> Iterator[tuple[str, Node]]:
        """Keys and values of an object."""
        if not isinstance(self._value, dict):
            self._fail('an object')
        for key in self._value:
            yield key, self[key]

    def items_of_list(self) -> Iterator[Node]:
        """The values of a list."""
        for position, value in enumerate(self._list()):
            yield Node(value, self._file, f'{self._key}[{position}]')

    def _list(self) -> list[Any]:
        if not isinstance(self._value, list):
            self._fail('a list')
        return self._value

    def text(self, limit: int = MAX_TEXT) -> str:
        """A text of at most `limit` characters."""
        if not isinstance(self._value, str) or len(self._value) > limit:
            self._fail(f'a text of at most {limit} characters')
        return self._value

    def truth(self) -> bool:
        """True or false."""
        if not isinstance(self._value, bool):
            self._fail('true or false')
        return self._value

    def integer(self, low: int = 0, high: int = MAX_INTEGER) -> int:
        """An integer from `low` to `high`."""
        value = self._value
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self._fail(f'an integer from {low} to {high}')
        return value

    def number(self, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number from `low` to `high`."""
        value = self._value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self._fail('a number')
        if not low <= value <= high or abs(value) > 1e300:
            self._fail(f'a finite number from {low} to {high}')
        return float(value)

    def number_or_nan(self, low: float = -math.inf, high: float = math.inf) -> float:
        """A number as `number`, or NaN for null."""
        return math.nan if self._value is None else self.number(low, high)

    def numbers(self, count: int) -> tuple[float, ...]:
        """`count` numbers, or none; NaN for each null."""
        found = tuple(each.number_or_nan() for each in self.items_of_list())
        if found and len(found) != count:
            self._fail(f'a list of {count} numbers, or an empty one')
        return found

    def indices(
        self, end: int, *, count: int | None = None, unique: bool = False
    ) -> tuple[int, ...]:
        """Integers from 0 to `end` - 1.

        Args:
            end: one more than the largest.
            count: how many there must be; None takes any number.
            unique: whether each may be there once only.
        """
        found = self._list()
        if count is not None and len(found) != count:
            self._fail(f'a list of {count} integers')
        for position, value in enumerate(found):
            if type(value) is not int or not 0 <= value < end:
                Node(value, self._file, f'{self._key}[{position}]')._fail(
                    f'an integer from 0 to {end - 1}'
                )
        if unique and len(set(found)) < len(found):
            self._fail('each integer once')
        return tuple(found)

    def position(self) -> tuple[float, float]:
        """X and y in metres."""
        values = [each.number(-MAX_COORDINATE, MAX_COORDINATE) for each in self.items_of_list()]
        if len(values) != 2:
            self._fail('two numbers')
        return values[0], values[1]

    def positions(self, count: int) -> np.ndarray:
        """Positions [count, 2] in metres, NaN for each null."""
        if len(self._list()) != count:
            self._fail(f'a list of {count} positions')
        found = np.full((count, 2), math.nan)
        for row, each in enumerate(self.items_of_list()):
            if not each.is_null:
                found[row] = each.position()
        return found

    def name_of(self, kind: type[E]) -> E:
        """The member of an enumeration by its name."""
        if not isinstance(self._value, str) or self._value not in kind.__members__:
            self._fail('one of ' + ', '.join(kind.__members__))
        return kind[self._value]

    def setting(self) -> Any:
        """The value of a setting: a text, a number, true or false, or a list of numbers."""
        value = self._value
        if isinstance(value, list):
            return tuple(each.number() for each in self.items_of_list())
        return value if isinstance(value, bool) else self._scalar()

    def _scalar(self) -> Any:
        value = self._value
        if isinstance(value, str):
            return self.text()
        return self.integer(-MAX_INTEGER) if isinstance(value, int) else self.number()

    def equals(self, expected: int, what: str) -> None:
        """Check that the value is the integer `expected`, which `what` names in words."""
        if self._value != expected or isinstance(self._value, bool):
            self._fail(f'{expected}, {what}')
