"""Reads JSON that may come from a stranger: every text gives a value or a ValueError.

Python's own reader takes `NaN` and `Infinity`, lets the last of two equal keys win, and ends in a
RecursionError where brackets are nested deeply. What it makes of a deep but readable text fails
later, in the code that walks over it.
"""

from __future__ import annotations

import json
import math
from typing import Any

MAX_DEPTH = 32
"""Most lists and objects inside each other; what this package writes has six."""
MAX_DIGITS = 400
"""Most characters of a number: the largest float64 has 309 digits before its point."""


def parse_json(text: str | bytes, *, nan: bool = False) -> Any:
    """The value of a JSON text.

    Args:
        text: the text; bytes are UTF-8.
        nan: take the word `NaN`, which is no JSON, but which older maps hold for an unknown
            altitude.

    Raises:
        ValueError: the text is no JSON, is nested more than `MAX_DEPTH` deep, has two equal keys
            in one object, or a number that is not finite or has more than `MAX_DIGITS` digits.
    """

    def constant(word: str) -> float:
        if nan and word == 'NaN':
            return math.nan
        raise ValueError(f'{word} is no number in JSON')

    try:
        value = json.loads(
            text,
            parse_constant=constant,
            parse_int=_int,
            parse_float=_float,
            object_pairs_hook=_object,
        )
    except RecursionError:
        raise ValueError(_too_deep()) from None
    _check_depth(value)
    return value


def _int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f'a number has {len(digits)} digits, expected at most {MAX_DIGITS}')
    return int(digits)


def _float(digits: str) -> float:
    value = math.nan if len(digits) > MAX_DIGITS else float(digits)
    if not math.isfinite(value):
        raise ValueError(f'the number {digits[:20]} is too large or has too many digits')
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'the key {twice[:50]!r} is there twice')
    return found


def _check_depth(value: Any) -> None:
    """Raise ValueError where lists and objects are nested too deeply; without recursion."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            item
            for each in level
            if isinstance(each, (dict, list))
            for item in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise ValueError(_too_deep())


def _too_deep() -> str:
    return f'lists or objects are nested more than {MAX_DEPTH} deep'
