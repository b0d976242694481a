"""Makes a map from an exported folder; `folder_export` describes the files."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fol_vpr.database.format.codecs import CODECS
from fol_vpr.database.format.records import PlaceRecord, encode_place
from fol_vpr.database.format.schema import MapHeader
from fol_vpr.database.tools.folder_arrays import map_array, read_arrays, refusal
from fol_vpr.database.tools.folder_cameras import camera_from_json
from fol_vpr.database.tools.folder_export import COLUMNS, FORMAT
from fol_vpr.database.writer import MapWriter, Progress
from fol_vpr.datatypes import Camera, Features, GeoPosition, LocalFeatures, MapInfo, Place, Pose
from fol_vpr.errors import InputError
from fol_vpr.files import open_file, read_bytes, read_text
from fol_vpr.json_text import parse_json

# Format 1 has no cameras.
KNOWN_FORMATS = (1, FORMAT)
POSE, GEO = COLUMNS[7:14], COLUMNS[14:17]
MAX_BLOB_BYTES = 2**28


def import_map(
    folder: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> MapInfo:
    """Make a map from a folder that `export_map` wrote.

    The names of all files follow from the line numbers, and links that lead out of the folder
    are refused, so that a folder from an untrusted source cannot make this function put files
    from elsewhere into the map.

    Args:
        folder: the exported folder.
        target: the map file to make.
        overwrite: replace an existing map.
        progress: called with the number of places written and of places in all.

    Returns:
        The summary of the new map.

    Raises:
        InputError: a file of the folder is missing or has invalid values; the message names it.
        MapError: the target exists, and `overwrite` is False.
        StorageError: no space or no permission; the unfinished map was removed.
    """
    folder = Path(folder)
    header, calibration, count, cameras = _read_common(folder)
    descriptors = map_array(
        _inside(folder, 'global_descriptors.npy'), (count, header.descriptor_dim)
    )
    covariances = map_array(_inside(folder, 'covariances.npy'), (count, 6, 6))
    source = f'folder {folder.name}'
    with MapWriter(
        target, header, source_id=source, overwrite=overwrite, resumable=False
    ) as writer:
        writer.set_calibration(calibration)

        def records() -> Iterator[PlaceRecord]:
            for place in _read_places(folder, count, covariances, cameras):
                yield _record(folder, header, place, descriptors[place.index])

        writer.copy(records(), total=count, progress=progress)
        return writer.finish()


def _read_common(folder: Path) -> tuple[MapHeader, dict[str, str], int, list[Camera]]:
    path = _inside(folder, 'map.json')
    text = read_text(path, 'map.json of a folder made by `fol_vpr map export`')
    try:
        common = parse_json(text)
        if common['format'] not in KNOWN_FORMATS:
            raise ValueError(f'its format is {common["format"]}, expected at most {FORMAT}')
        calibration = dict(common['calibration'])
        if not all(isinstance(value, str) for value in calibration.values()):
            raise TypeError('its calibration holds values that are no text')
        count = common['places']
        if type(count) is not int or count < 1:
            raise ValueError(f'its number of places is {str(count)[:50]}')
        cameras = [camera_from_json(each) for each in common.get('cameras', [])]
        return MapHeader.from_meta(common['map']), calibration, count, cameras
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, InputError) as error:
        raise refusal(path, f'{type(error).__name__} {str(error)[:300]}') from error


def _inside(folder: Path, *names: str) -> Path:
    """The path of a file in the folder.

    Raises:
        InputError: it is a link that leads out of the folder.
    """
    path = folder.joinpath(*names)
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:
        raise refusal(path, str(error)) from error
    if not inside:
        raise refusal(path, 'it is a link to a file outside the folder')
    return path


def _read_places(
    folder: Path, count: int, covariances: np.ndarray, cameras: list[Camera]
) -> Iterator[Place]:
    path = _inside(folder, 'places.csv')
    number = 0
    with open_file(path, 'a table of places') as opened:
        file = io.TextIOWrapper(opened, encoding='utf-8', newline='')
        try:
            rows = csv.DictReader(file)
            needed = COLUMNS if cameras else COLUMNS[:-1]
            missing = [name for name in needed if name not in (rows.fieldnames or ())]
            if missing:
                raise refusal(path, f'the column {", ".join(missing)} is missing')
            for number, row in enumerate(rows, 1):
                if number > count:
                    break
                if any(row[name] is None for name in needed):
                    raise ValueError('it has too few fields')
                place = _place(number - 1, row, covariances[number - 1])
                yield replace(place, camera=_camera(row, cameras))
        except (ValueError, KeyError, TypeError, OverflowError, csv.Error) as error:
            raise refusal(path, f'line {number + 1}: {str(error)[:300]}') from error
        except InputError as error:
            raise refusal(path, f'line {number + 1}: {error}') from error
        except OSError as error:
            raise refusal(path, str(error.strerror)) from error
    if number != count:
        raise refusal(path, f'{number} places, expected {count} as in map.json')


def _place(index: int, row: dict[str, Any], covariance: np.ndarray) -> Place:
    pose = geo = None
    if row['x'] != '':
        numbers = [float(row[name]) for name in POSE]
        known = None if np.isnan(covariance).all() else covariance
        pose = Pose(np.array(numbers[:3]), np.array(numbers[3:]), known)
    if row['latitude'] != '':
        altitude = math.nan if row['altitude'] == '' else float(row['altitude'])
        geo = GeoPosition(float(row['latitude']), float(row['longitude']), altitude)
    return Place(
        index=index,
        place_id=row['place_id'],
        session_id=row['session_id'],
        stamp_ns=int(row['stamp_ns']),
        image_uri=row['image_uri'],
        image_size=(int(row['image_width']), int(row['image_height'])),
        pose=pose,
        geo=geo,
        sensor_frame=row['sensor_frame'],
    )


def _camera(row: dict[str, Any], cameras: list[Camera]) -> Camera | None:
    number = row.get('camera') or ''
    if number == '':
        return None
    if not 0 <= int(number) < len(cameras):
        raise ValueError(f'camera {number}, map.json has {len(cameras)} cameras')
    return cameras[int(number)]


def _record(folder: Path, header: MapHeader, place: Place, descriptor: np.ndarray) -> PlaceRecord:
    number = f'{place.index:06d}'
    image = _inside(folder, 'images', f'{number}.jpg')
    local = _local_features(_inside(folder, 'local_features', f'{number}.npz'))
    codec, blob_file = CODECS[header.codec], _inside(folder, 'local_features', f'{number}.blob')
    try:
        encoded = encode_place(header, place, Features(descriptor, local, place.image_size))
        jpeg = read_bytes(image, 'an image', MAX_BLOB_BYTES) if image.exists() else None
        if blob_file.exists():
            blob = read_bytes(blob_file, 'local features', MAX_BLOB_BYTES)
            codec.decode(blob, encoded.count, header.local_dim)
            encoded = replace(encoded, features=blob)
    except (OSError, ValueError, InputError) as error:
        raise InputError(f'place {place.index} of {folder} cannot be used: {error}') from error
    return replace(encoded, jpeg=jpeg)


def _local_features(path: Path) -> LocalFeatures:
    parts = read_arrays(path, ('descriptors', 'positions', 'weights'))
    if parts[0].ndim != 2:
        raise refusal(path, 'expected descriptors [N, C]')
    return LocalFeatures(*(part.astype(np.float32) for part in parts))
