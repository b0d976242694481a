"""Positions in names and tables on both sides of the edge of a UTM zone, and of the equator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.source_files import image_folder

from fol_vpr.datatypes.utm import NORTHERN_BANDS, UtmZone, utm_from_geo
from fol_vpr.errors import InputError
from fol_vpr.sources import ImageFolder

WAYS = {
    # Latitude and longitude of places along a street, and their zone and band.
    'London': [((51.48, -0.004 + 0.001 * i), 30 if i < 4 else 31, 'U') for i in range(9)],
    'the equator': [((-0.004 + 0.001 * i, 32.5), 36, 'M' if i < 4 else 'N') for i in range(9)],
    'the date line': [
        ((-16.8, (180 - 0.004 + 0.001 * i + 180) % 360 - 180), 60 if i < 4 else 1, 'K')
        for i in range(9)
    ],
    'Norway': [((60.4, 11.996 + 0.001 * i), 32 if i < 4 else 33, 'V') for i in range(9)],
}


def coordinates(way: str) -> list[tuple[float, float]]:
    return [
        tuple(utm_from_geo(np.array([degrees]), UtmZone(zone, band in NORTHERN_BANDS))[0])
        for degrees, zone, band in WAYS[way]
    ]


def named_folder(path: Path, way: str, *, geo: bool) -> Path:
    path.mkdir()
    made = image_folder(path / 'made', 1) / '000.jpg'
    for (degrees, zone, band), (x, y) in zip(WAYS[way], coordinates(way), strict=True):
        where = f'{degrees[0]:.6f}@{degrees[1]:.6f}' if geo else '@'
        name = f'@{x:.2f}@{y:.2f}@{zone}@{band}@{where}@@@@@@@@@.jpg'
        (path / name).write_bytes(made.read_bytes())
    made.unlink()
    return path


def assert_one_street(folder: ImageFolder, way: str) -> None:
    """Neighbours along the street are as far apart as they are on the ground."""
    step, first = STEPS[way], WAYS[way][0][0][1]
    captures = sorted(
        folder.captures(),
        key=lambda each: (
            round(each.geo.latitude, 4),
            (each.geo.longitude - first + 180) % 360,
        ),
    )
    positions = np.array([capture.pose.position for capture in captures])
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    np.testing.assert_allclose(steps, step, rtol=0.01, atol=0.02)


STEPS = {'London': 69.4, 'the equator': 110.6, 'the date line': 106.6, 'Norway': 55.1}


@pytest.mark.parametrize('geo', [True, False])
@pytest.mark.parametrize('way', WAYS)
def test_names_of_two_zones_are_brought_into_one(tmp_path: Path, way: str, geo: bool) -> None:
    folder = ImageFolder(named_folder(tmp_path / 'images', way, geo=geo))
    assert_one_street(folder, way)
    assert any('4 positions in the UTM zone' in each for each in folder.warnings)
    assert folder.frame_id == 'utm'


HEADERS = {
    'letter': ('utm_east,utm_north,utm_zone,utm_letter', lambda n, b: f'{n},{b}'),
    'joined': ('easting,northing,zone,latitude,longitude', lambda n, b: f'{n}{b}'),
    'hemisphere': (
        'x,y,zone,hemisphere',
        lambda n, b: f'{n},{"N" if b in NORTHERN_BANDS else "S"}',
    ),
}


@pytest.mark.parametrize('header', HEADERS)
@pytest.mark.parametrize('way', WAYS)
def test_tables_of_two_zones_are_brought_into_one(tmp_path: Path, way: str, header: str) -> None:
    images = image_folder(tmp_path / 'images', 9)
    names, zone_cells = HEADERS[header]
    lines = [f'index,{names}']
    for index, ((degrees, zone, band), (x, y)) in enumerate(
        zip(WAYS[way], coordinates(way), strict=True)
    ):
        cells = [index, x, y, zone_cells(zone, band)]
        cells += degrees if 'latitude' in names else []
        lines.append(','.join(map(str, cells)))
    table = tmp_path / 'positions.csv'
    table.write_text('\n'.join(lines))
    folder = ImageFolder(images, table)
    assert_one_street(folder, way)
    assert any('4 positions in the UTM zone' in each for each in folder.warnings)


def folder_of(tmp_path: Path, *names: str) -> ImageFolder:
    data = (image_folder(tmp_path / 'made', 1) / '000.jpg').read_bytes()
    (tmp_path / 'images').mkdir()
    for name in names:
        (tmp_path / 'images' / name).write_bytes(data)
    return ImageFolder(tmp_path / 'images')


def test_zones_that_are_not_known_are_refused_beside_others(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'UTM zones 30N \(1\), 31N \(1\), and of 1 more'):
        folder_of(tmp_path, '@5e5@57e5@31@U@@.jpg', '@6e5@57e5@30@U@@.jpg', '@5e5@57e5@@@@.jpg')


def test_zones_of_an_unknown_hemisphere_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='UTM zones 30, 31, north or south'):
        folder_of(tmp_path, '@5e5@57e5@31@@@.jpg', '@6e5@57e5@30@@@.jpg')


def test_coordinates_far_from_their_latitude_are_warned_of(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, '@5e5@57e5@31@U@40.0@3.0@.jpg')
    assert any('up to 1273 km apart' in each for each in folder.warnings), folder.warnings


@pytest.mark.parametrize(
    ('cells', 'said'),
    [
        ('5e5,4e6,10S', 'either the band S, 32° to 40° north, or south'),
        ('5e5,4e6,61', "the UTM zone is '61'"),
        ('5e5,2e7,10S', 'no northing'),
    ],
)
def test_zones_that_are_none_or_two_are_refused(tmp_path: Path, cells: str, said: str) -> None:
    images = image_folder(tmp_path / 'images', 1)
    (tmp_path / 'p.csv').write_text(f'index,x,y,zone\n0,{cells}\n')
    with pytest.raises(InputError, match=said):
        ImageFolder(images, tmp_path / 'p.csv')


def test_a_zone_south_of_the_equator_by_its_northing(tmp_path: Path) -> None:
    images = image_folder(tmp_path / 'images', 1)
    (tmp_path / 'p.csv').write_text('index,x,y,zone\n0,261878,6243185,34S\n')
    (capture,) = ImageFolder(images, tmp_path / 'p.csv').captures()
    assert (capture.geo.latitude, capture.geo.longitude) == pytest.approx((-33.92, 18.42), abs=0.1)


def test_rows_at_latitude_zero_and_longitude_zero_are_not_known(tmp_path: Path) -> None:
    images = image_folder(tmp_path / 'images', 2)
    (tmp_path / 'p.csv').write_text('index,lat,lon\n0,0,0.0\n1,0,6.5\n')
    folder = ImageFolder(images, tmp_path / 'p.csv')
    assert [capture.geo is None for capture in folder.captures()] == [True, False]
    assert any(
        '1 of 2 positions have latitude 0 and longitude 0' in each for each in folder.warnings
    )
