"""Makes a map from an exported folder; `folder_export` describes the files."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn
from zipfile import BadZipFile

import numpy as np

from fol_vpr.database.format.codecs import CODECS
from fol_vpr.database.format.records import PlaceRecord, encode_place
from fol_vpr.database.format.schema import MapHeader
from fol_vpr.database.tools.folder_cameras import camera_from_json
from fol_vpr.database.tools.folder_export import COLUMNS, FORMAT
from fol_vpr.database.writer import MapWriter, Progress
from fol_vpr.datatypes import Camera, Features, GeoPosition, LocalFeatures, MapInfo, Place, Pose
from fol_vpr.errors import InputError

# Format 1 has no cameras.
KNOWN_FORMATS = (1, FORMAT)
POSE, GEO = COLUMNS[7:14], COLUMNS[14:17]


def import_map(
    folder: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> MapInfo:
    """Make a map from a folder that `export_map` wrote.

    The names of all files follow from the line numbers, so that a folder from an untrusted source
    cannot make this function read files elsewhere.

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
    descriptors = _array(
        folder / 'global_descriptors.npy', (count, header.descriptor_dim), mapped=True
    )
    covariances = _array(folder / 'covariances.npy', (count, 6, 6))
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
    path = folder / 'map.json'
    try:
        common = json.loads(path.read_text('utf-8'))
        if common['format'] not in KNOWN_FORMATS:
            _refuse(path, f'its format is {common["format"]}, expected at most {FORMAT}')
        calibration = {str(k): str(v) for k, v in common['calibration'].items()}
        cameras = [camera_from_json(each) for each in common.get('cameras', [])]
        return MapHeader.from_meta(common['map']), calibration, int(common['places']), cameras
    except OSError as error:
        raise InputError(
            f'{path} cannot be read ({error.strerror}): expected a folder made by '
            '`fol_vpr map export`'
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, InputError) as error:
        _refuse(path, f'{type(error).__name__} {error}')


def _refuse(path: Path, reason: str) -> NoReturn:
    raise InputError(
        f'{path} cannot be used ({reason}): correct the file, or export the map again'
    )


def _array(path: Path, shape: tuple[int, ...], *, mapped: bool = False) -> np.ndarray:
    try:
        array: np.ndarray = np.load(path, mmap_mode='r' if mapped else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        _refuse(path, str(error))
    if array.shape != shape or array.dtype.kind != 'f':
        _refuse(path, f'{array.dtype} {array.shape}, expected floats {shape}')
    return array


def _read_places(
    folder: Path, count: int, covariances: np.ndarray, cameras: list[Camera]
) -> Iterator[Place]:
    path = folder / 'places.csv'
    number = 0
    try:
        with path.open(encoding='utf-8', newline='') as file:
            rows = csv.DictReader(file)
            needed = COLUMNS if cameras else COLUMNS[:-1]
            missing = [name for name in needed if name not in (rows.fieldnames or ())]
            if missing:
                _refuse(path, f'the column {", ".join(missing)} is missing')
            for number, row in enumerate(rows, 1):
                if number > count:
                    break
                place = _place(number - 1, row, covariances[number - 1])
                yield replace(place, camera=_camera(row, cameras))
    except (ValueError, KeyError, TypeError, csv.Error, InputError) as error:
        _refuse(path, f'line {number + 1}: {error}')
    except OSError as error:
        _refuse(path, str(error.strerror))
    if number != count:
        _refuse(path, f'{number} places, expected {count} as in map.json')


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
    stem = folder / 'local_features' / f'{place.index:06d}'
    image = folder / 'images' / f'{place.index:06d}.jpg'
    local = _local_features(stem.with_suffix('.npz'))
    codec, blob_file = CODECS[header.codec], stem.with_suffix('.blob')
    try:
        encoded = encode_place(header, place, Features(descriptor, local, place.image_size))
        jpeg = image.read_bytes() if image.exists() else None
        if blob_file.exists():
            blob = blob_file.read_bytes()
            codec.decode(blob, encoded.count, header.local_dim)
            encoded = replace(encoded, features=blob)
    except (OSError, ValueError, InputError) as error:
        raise InputError(f'place {place.index} of {folder} cannot be used: {error}') from error
    return replace(encoded, jpeg=jpeg)


def _local_features(path: Path) -> LocalFeatures:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            parts = [arrays[name] for name in ('descriptors', 'positions', 'weights')]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        _refuse(path, f'{type(error).__name__} {error}')
    if any(part.dtype.kind != 'f' for part in parts) or parts[0].ndim != 2:
        _refuse(path, 'expected arrays of floats, and descriptors [N, C]')
    return LocalFeatures(*(part.astype(np.float32) for part in parts))
