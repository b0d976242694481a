"""The exceptions that this package raises.

A message says what was given, what was expected and what to do, so that it can be shown to users
unchanged. Any other exception that leaves the package is a defect.
"""

import unicodedata

# Directional marks, with which a name can show what it is not.
_MARKS = frozenset('\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069')
_CONTROLS = frozenset({'Cc', 'Cs', 'Zl', 'Zp'})


def escape_controls(text: str, keep: str = '\n') -> str:
    r"""A text without characters that drive a terminal, or hide what a text says.

    Args:
        text: any text; it may quote names from files and from other nodes.
        keep: control characters that stay.

    Returns:
        The text with control characters, directional marks and halves of characters escaped,
        such as `\x1b`.
    """
    if text.isprintable():
        return text
    return ''.join(
        each.encode('unicode_escape', 'surrogatepass').decode()
        if is_control(each) and each not in keep
        else each
        for each in text
    )


def is_control(character: str) -> bool:
    """Whether `escape_controls` escapes a character."""
    return character in _MARKS or unicodedata.category(character) in _CONTROLS


class FolVprError(Exception):
    """Base class of all errors of this package.

    Messages quote names from files and from other nodes. As a text, an error has control
    characters escaped, so that such a name cannot drive a terminal or forge lines of a log; line
    ends stay, with which some messages list what they found.
    """

    def __str__(self) -> str:
        return escape_controls(super().__str__())


class InputError(FolVprError):
    """A file, folder, bag, message or argument cannot be used."""


class WeightsError(FolVprError):
    """A checkpoint is missing, damaged, or does not fit the network."""


class MapError(FolVprError):
    """A map file is missing, damaged, locked, or of an unknown schema."""


class MapBusyError(MapError):
    """Another process is changing the map, or has changed it since it was loaded."""


class NotInMapError(InputError):
    """A place or a session is not in the map."""


class MapMismatchError(MapError):
    """An undamaged map was made with other weights or another preprocessing."""


class DeviceError(FolVprError):
    """A device or precision is not available, or the device has no memory left."""


class StorageError(FolVprError):
    """A file cannot be written: no space left, or no permission."""


class AccessError(StorageError):
    """A file cannot be written: no permission."""
