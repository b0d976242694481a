"""The exceptions that this package raises.

A message says what was given, what was expected and what to do, so that it can be shown to users
unchanged. Any other exception that leaves the package is a defect.
"""


class FolVprError(Exception):
    """Base class of all errors of this package."""


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
