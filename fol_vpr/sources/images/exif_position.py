"""Where a photograph was taken, by the satellite position that EXIF keeps beside it."""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.ExifTags import GPS, IFD

from fol_vpr.datatypes import GeoPosition
from fol_vpr.errors import InputError
from fol_vpr.files import open_file
from fol_vpr.sources.images.decode import formats_of
from fol_vpr.sources.images.stored_image import check_size

# What cameras call the datum of satellites, without blanks, hyphens and capitals.
_WGS84 = ('', 'wgs84', 'wgs1984')
_VOID = 'V'

_DAMAGED = (
    SyntaxError,
    ValueError,
    OSError,
    LookupError,
    TypeError,
    AttributeError,
    struct.error,
    zlib.error,
    EOFError,
    OverflowError,
    RuntimeError,
    Image.DecompressionBombError,
)
"""What Pillow raises for files that are no image, or whose EXIF data is damaged."""


def position_in_exif(path: Path) -> GeoPosition | None:
    """The position in the EXIF data of an image file; None where there is none, or no fix.

    No fix are a status of V (void), numbers that are none, as 0/0, a latitude or longitude without
    its hemisphere, and degrees with a sign beside it. The altitude is not taken: by EXIF 2.3,
    which most cameras follow, it is above the sea, and that of `GeoPosition` above the ellipsoid.

    Args:
        path: the file. Only of a PNG without EXIF data before its pixels are these read.

    Raises:
        InputError: the file cannot be opened, or its position is of another datum than WGS 84 or
            on no earth; or the package that reads this format is not installed.
    """
    # Pillow warns of damaged entries that have nothing to do with the position, too.
    with open_file(path, 'an image') as file, warnings.catch_warnings():
        warnings.simplefilter('ignore')
        formats = formats_of(file.read(64), str(path))
        file.seek(0)
        try:
            with Image.open(file, formats=formats) as picture:
                check_size(picture.width, picture.height, str(path))
                found = picture.getexif().get_ifd(IFD.GPSInfo)
        except _DAMAGED:
            return None  # what reads its pixels says what is wrong with it
    latitude = _degrees(found, GPS.GPSLatitude, GPS.GPSLatitudeRef, 'NS')
    longitude = _degrees(found, GPS.GPSLongitude, GPS.GPSLongitudeRef, 'EW')
    if latitude is None or longitude is None or _text(found, GPS.GPSStatus) == _VOID:
        return None
    datum = _text(found, GPS.GPSMapDatum)
    if ''.join(filter(str.isalnum, datum)).lower() not in _WGS84:
        raise InputError(
            f'{path}: its position in EXIF has the map datum {datum!r}, expected WGS-84; give a '
            'table of positions in WGS 84 instead'
        )
    try:
        return GeoPosition(latitude, longitude)
    except InputError as error:
        raise InputError(f'{path}: its position in EXIF: {error}') from error


def _degrees(found: Mapping[int, Any], angle: int, side: int, sides: str) -> float | None:
    """Degrees north or east, from degrees, minutes and seconds and the letter of a hemisphere."""
    letter = _text(found, side).upper()
    try:
        parts = [float(part) for part in found[angle]]
    except (LookupError, TypeError, ValueError, ZeroDivisionError):
        return None
    if len(letter) != 1 or letter not in sides or not 1 <= len(parts) <= 3:
        return None
    if min(parts) < 0 or max(parts[1:], default=0) > 60:
        return None  # a sign beside the letter, or minutes that are none
    degrees = sum(part / 60.0**number for number, part in enumerate(parts))
    if not math.isfinite(degrees):
        return None
    return degrees if letter == sides[0] else -degrees


def _text(found: Mapping[int, Any], tag: int) -> str:
    """A text of EXIF, which some cameras write as bytes, and end with zeros."""
    text = found.get(tag, '')
    if isinstance(text, bytes):
        text = text.decode('ascii', 'replace')
    return text.strip(' \0') if isinstance(text, str) else ''
