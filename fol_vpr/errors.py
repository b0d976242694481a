"""What this package raises on purpose.

A message says what was given, what was expected and what to do about it, so that it can be shown
to a person as it is. Anything else that escapes the package is a defect.
"""


class FolVprError(Exception):
    """Base of all errors of this package."""


class InputError(FolVprError):
    """A file, folder, bag, message or argument that cannot be used as it is."""


class WeightsError(FolVprError):
    """A checkpoint that is missing, damaged, or does not fit the network."""


class MapError(FolVprError):
    """A map file that is missing, damaged, locked, or of an unknown schema."""


class MapBusyError(MapError):
    """A map that another process changes, or has changed since it was loaded."""


class NotInMapError(InputError):
    """A place or a session that is not in the map."""


class MapMismatchError(MapError):
    """A sound map that was made with other weights or another preprocessing."""


class DeviceError(FolVprError):
    """A device or precision that is not to be had here, or has no memory left."""


class StorageError(FolVprError):
    """No space left, or no permission, where something was to be written."""


class AccessError(StorageError):
    """No permission to write there."""
