"""Positions in EXIF data, as cameras, phones and programs that change photographs write them."""

from __future__ import annotations

import contextlib
import math
import struct
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from helpers.images.photographs import MALAGA, photograph
from PIL import Image
from PIL.ExifTags import GPS
from PIL.TiffImagePlugin import IFDRational

from fol_vpr.errors import InputError
from fol_vpr.sources.images.exif_position import position_in_exif

LATITUDE = 36 + 43 / 60 + 9.5 / 3600
LONGITUDE = 4 + 25 / 60 + 12.25 / 3600


def found(tmp_path: Path, tags: Mapping[int, Any], ending: str = 'jpg') -> tuple[float, float]:
    position = position_in_exif(photograph(tmp_path / f'1.{ending}', MALAGA | tags))
    assert position is not None
    assert math.isnan(position.altitude)
    return position.latitude, position.longitude


@pytest.mark.parametrize('ending', ['jpg', 'png', 'webp', 'tif'])
def test_degrees_minutes_and_seconds(tmp_path: Path, ending: str) -> None:
    assert found(tmp_path, {}, ending) == pytest.approx((LATITUDE, -LONGITUDE), abs=1e-9)


@pytest.mark.parametrize(
    ('letters', 'signs'), [('NE', (1, 1)), ('SE', (-1, 1)), ('SW', (-1, -1)), ('ne', (1, 1))]
)
def test_letters_give_the_signs(tmp_path: Path, letters: str, signs: tuple[int, int]) -> None:
    latitude, longitude = found(
        tmp_path, {GPS.GPSLatitudeRef: letters[0], GPS.GPSLongitudeRef: letters[1]}
    )
    assert latitude == pytest.approx(signs[0] * LATITUDE)
    assert longitude == pytest.approx(signs[1] * LONGITUDE)


@pytest.mark.parametrize(
    'parts',
    [
        (Fraction(LATITUDE).limit_denominator(10_000_000), 0, 0),
        (36, Fraction(43 + 9.5 / 60).limit_denominator(1_000_000), 0),
        (36, 43, Fraction(95, 10)),
    ],
)
def test_fractions_of_degrees_and_of_minutes(tmp_path: Path, parts: tuple[Any, ...]) -> None:
    rationals = tuple(IFDRational(part) for part in parts)
    assert found(tmp_path, {GPS.GPSLatitude: rationals})[0] == pytest.approx(LATITUDE, abs=1e-6)


@pytest.mark.parametrize('datum', ['WGS-84', 'WGS84', 'wgs 84', 'WGS-84\0\0', ''])
def test_names_of_the_datum_of_satellites(tmp_path: Path, datum: str) -> None:
    assert found(tmp_path, {GPS.GPSMapDatum: datum})[0] == pytest.approx(LATITUDE)


@pytest.mark.parametrize('datum', ['TOKYO', 'NAD27'])
def test_another_datum_is_refused(tmp_path: Path, datum: str) -> None:
    with pytest.raises(InputError, match=rf"1\.jpg: .* datum '{datum}', expected WGS-84; give"):
        found(tmp_path, {GPS.GPSMapDatum: datum})


def test_a_place_on_no_earth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'1\.jpg: its position in EXIF: .*latitude'):
        found(tmp_path, {GPS.GPSLatitude: (91, 0, 0)})


NOTHING = (IFDRational(0, 0),) * 3


@pytest.mark.parametrize(
    'tags',
    [
        {GPS.GPSLatitude: NOTHING, GPS.GPSLongitude: NOTHING},
        {GPS.GPSLatitude: (36, IFDRational(0, 0), 0)},
        {GPS.GPSLongitude: None},
        {GPS.GPSLatitudeRef: None},
        {GPS.GPSLatitudeRef: ''},
        {GPS.GPSLongitudeRef: 'N'},
        {GPS.GPSStatus: 'V'},
        {GPS.GPSLatitude: (36, 43, 9, 5)},
        {GPS.GPSLatitude: (36, 61, 0)},
    ],
    ids=[
        '0/0',
        'minutes 0/0',
        'no longitude',
        'no letter',
        'empty',
        'wrong letter',
        'void',
        'four',
        'minute 61',
    ],
)
def test_no_fix(tmp_path: Path, tags: Mapping[int, Any]) -> None:
    assert position_in_exif(photograph(tmp_path / '1.jpg', MALAGA | tags)) is None


def test_a_sign_beside_the_letter_is_no_fix(tmp_path: Path) -> None:
    path = photograph(tmp_path / '1.jpg', MALAGA)
    data = path.read_bytes()
    order = '<' if b'Exif\0\0II' in data else '>'
    unsigned, signed = struct.pack(f'{order}2HI', 2, 5, 3), struct.pack(f'{order}2HI', 2, 10, 3)
    north, south = struct.pack(f'{order}2I', 36, 1), struct.pack(f'{order}2i', -36, 1)
    assert data.count(unsigned) == data.count(north) == 1
    path.write_bytes(data.replace(unsigned, signed).replace(north, south))
    assert position_in_exif(path) is None


def test_the_size_is_checked_before_a_png_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new('RGB', (64, 48)).save(tmp_path / 'bare.png')
    assert position_in_exif(tmp_path / 'bare.png') is None
    monkeypatch.setattr('fol_vpr.sources.images.stored_image.MAX_PIXELS', 64 * 48 - 1)
    with pytest.raises(InputError, match=r'bare\.png claims 64 x 48 pixels'):
        position_in_exif(tmp_path / 'bare.png')


def test_status_of_a_fix(tmp_path: Path) -> None:
    assert found(tmp_path, {GPS.GPSStatus: 'A'})[0] == pytest.approx(LATITUDE)


def test_images_without_exif_and_what_is_no_image(tmp_path: Path) -> None:
    Image.new('RGB', (8, 8)).save(tmp_path / 'bare.jpg')
    (tmp_path / 'text.jpg').write_text('no image')
    for name in ('bare.jpg', 'text.jpg'):
        assert position_in_exif(tmp_path / name) is None
    with pytest.raises(InputError, match=r'missing\.jpg'):
        position_in_exif(tmp_path / 'missing.jpg')


def test_damaged_exif_raises_nothing_else(tmp_path: Path) -> None:
    path = photograph(tmp_path / '1.jpg', MALAGA)
    data = path.read_bytes()
    start = data.index(b'Exif\0\0') + 6
    for at in range(start, start + 150):
        path.write_bytes(data[:at] + b'\xff\xff' + data[at + 2 :])
        with contextlib.suppress(InputError):
            position_in_exif(path)
