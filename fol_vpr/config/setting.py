"""How a setting is declared, and checked."""

from __future__ import annotations

from dataclasses import Field, field, fields
from typing import Any

from fol_vpr.errors import InputError


def setting(
    default: Any,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    elements: tuple[str, ...] = (),
    read_only: bool = False,
    is_file: bool = False,
) -> Any:
    """A dataclass field that carries what users are told about it.

    Args:
        elements: what the numbers of a tuple are, which is empty or has all of them.
        is_file: the text is the path of a file.
    """
    return field(
        default=default,
        metadata={
            'description': description,
            'minimum': minimum,
            'maximum': maximum,
            'choices': choices,
            'elements': elements,
            'read_only': read_only,
            'is_file': is_file,
        },
    )


class Checked:
    """Validates every field against the range or choices that `setting` declared for it."""

    def __post_init__(self) -> None:
        for spec in fields(self):  # type: ignore[arg-type]
            check_setting(spec, getattr(self, spec.name))


def check_setting(spec: Field[Any], value: Any) -> None:
    """Raise InputError, naming the setting, where `value` is outside what `spec` allows."""
    meta = spec.metadata
    if meta.get('choices') and value not in meta['choices']:
        raise InputError(f'{spec.name} is {value!r}, expected one of {", ".join(meta["choices"])}')
    low, high = meta.get('minimum'), meta.get('maximum')
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        too_low = low is not None and not value >= low
        too_high = high is not None and not value <= high
        if too_low or too_high:
            bounds = f'at least {low}' if high is None else f'from {low} to {high}'
            raise InputError(f'{spec.name} is {value}, expected {bounds}')
