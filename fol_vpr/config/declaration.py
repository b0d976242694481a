"""Declaration of a setting with its description and range, and the check of its value."""

from __future__ import annotations

from dataclasses import Field, field, fields
from typing import Any

from fol_vpr.datatypes import bare_frame
from fol_vpr.errors import InputError

CODECS = ('float32', 'float16', 'fine', 'compact', 'tiny')
"""Names of the codecs of local features."""

CODECS_EXPLAINED = (
    'float32 and float16 keep all; fine keeps every fourth and compact every sixteenth feature, '
    'with 8 bits per number; tiny keeps every sixteenth with 1 bit per number. Fewer features '
    'take less disk space and match less reliably.'
)


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
    is_frame: bool = False,
) -> Any:
    """A dataclass field with a description and limits for users.

    Args:
        default: value where the user gives none.
        description: what the setting is, its unit and its effect, in whole sentences.
        minimum: smallest value allowed; None for no limit.
        maximum: largest value allowed; None for no limit.
        choices: texts allowed; empty allows all.
        elements: names of the numbers of a tuple, which is empty or has all numbers.
        read_only: whether the node takes it at start only.
        is_file: whether the text is the path of a file.
        is_frame: whether the text is the name of a frame, whose leading slashes are dropped.
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
            'is_frame': is_frame,
        },
    )


class Checked:
    """A base class that checks every field against what `setting` declares."""

    def __post_init__(self) -> None:
        for spec in fields(self):  # type: ignore[arg-type]
            value = getattr(self, spec.name)
            if spec.metadata.get('is_frame'):
                object.__setattr__(self, spec.name, bare_frame(value))
            check_setting(spec, value)


def check_setting(spec: Field[Any], value: Any) -> None:
    """Check a value against the range or choices of a setting.

    Raises:
        InputError: it is outside; names the setting, the value and what is allowed.
    """
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
