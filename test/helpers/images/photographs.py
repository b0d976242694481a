"""Photographs with a position, as a phone or an action camera writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base
from PIL.TiffImagePlugin import IFDRational

MALAGA: Mapping[int, Any] = {
    GPS.GPSLatitudeRef: 'N',
    GPS.GPSLatitude: (36, 43, IFDRational(95, 10)),
    GPS.GPSLongitudeRef: 'W',
    GPS.GPSLongitude: (4, 25, IFDRational(1225, 100)),
    GPS.GPSMapDatum: 'WGS-84',
}
"""36° 43' 9.5" north, 4° 25' 12.25" west."""


def photograph(path: Path, tags: Mapping[int, Any], seed: int = 0) -> Path:
    """Write an image of 64x48 with these values in the GPS part, without those that are None."""
    exif = Image.Exif()
    # Pillow 13 writes no EXIF data into a PNG whose first part is empty.
    exif[Base.Make] = 'Maker'
    part = exif.get_ifd(IFD.GPSInfo)
    part.update({tag: value for tag, value in tags.items() if value is not None})
    # Writers of TIFF look for it here, all others in what get_ifd gave.
    exif[IFD.GPSInfo] = part
    Image.effect_noise((64, 48), 40 + seed).convert('RGB').save(path, exif=exif)
    return path
