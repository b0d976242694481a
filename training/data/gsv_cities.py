"""GSV-Cities (Ali-bey et al., Neurocomputing 2022) as it is published.

A CSV for each city in Dataframes/ names the images of its places; an image is in Images/<City>/
under a name that is made of the columns of its row.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from fol_vpr.errors import InputError
from training.data.config import GsvCitiesSource
from training.data.folders import FilePlaces

COLUMNS = ('place_id', 'year', 'month', 'northdeg', 'city_id', 'lat', 'lon', 'panoid')


class GsvCities(FilePlaces):
    """Places of all chosen cities. Places of the set are at least 100 m apart by its making."""

    def __init__(self, source: GsvCitiesSource) -> None:
        """Read the CSV files; images are not looked for yet.

        Raises:
            InputError: a folder or city is missing, or a CSV is not as published.
        """
        root = Path(source.path)
        files = sorted((root / 'Dataframes').glob('*.csv'))
        if not files or not (root / 'Images').is_dir():
            raise InputError(
                f'{root} is not GSV-Cities: expected Dataframes/*.csv and Images/ in it'
            )
        there = {file.stem: file for file in files}
        missing = [city for city in source.cities if city not in there]
        if missing:
            raise InputError(
                f'{root} has no city {", ".join(missing)}; there are {", ".join(there)}'
            )
        places: list[list[str]] = []
        for city in source.cities or there:
            groups = _read_city(there[city])
            places += [names for names in groups.values() if len(names) >= source.min_images]
        if not places:
            raise InputError(f'{root} has no place with {source.min_images} images')
        first = root / 'Images' / places[0][0]
        if not first.is_file():
            raise InputError(
                f'{first} is not there, though Dataframes/ names it; is Images/ complete?'
            )
        cities = len(source.cities or there)
        super().__init__(
            root / 'Images',
            places,
            f'{len(places)} places, {sum(map(len, places))} images of {cities} cities of {root}',
        )


def image_name(row: Mapping[str, str]) -> str:
    """Path from Images/ that a row means: <City>/<City>_<place>_<year>_..._<panoid>.jpg.

    Raises:
        ValueError: a number of the row is none.
    """
    city = row['city_id']
    # The CSV of some cities has put a number for the city in front of that of the place.
    place = int(row['place_id']) % 10**5
    numbers = (
        f'{place:07d}', f'{int(row["year"]):04d}', f'{int(row["month"]):02d}',
        f'{int(row["northdeg"]):03d}',
    )  # fmt: skip
    # The shortest decimals that mean the same number, whatever the CSV writes.
    where = (str(float(row['lat'])), str(float(row['lon'])))
    name = '_'.join((city, *numbers, *where, row['panoid']))
    return f'{city}/{name}.jpg'


def _read_city(path: Path) -> dict[str, list[str]]:
    """Image names of each place of a city, in the order of the file."""
    groups: dict[str, list[str]] = defaultdict(list)
    try:
        with open(path, newline='', encoding='utf-8') as file:
            rows = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise InputError(
                    f'{path} lacks the columns {", ".join(missing)}; expected {", ".join(COLUMNS)}'
                )
            for row in rows:
                try:
                    groups[row['place_id']].append(image_name(row))
                except (ValueError, TypeError) as error:
                    raise InputError(f'{path}, line {rows.line_num}: {error}') from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f'{path} cannot be read: {error}') from error
    return dict(groups)
