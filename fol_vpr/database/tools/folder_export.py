"""Exports a map as a folder of files in common formats that other programs can read.

```
FOLDER/map.json                       what all places have in common, and the cameras
FOLDER/places.csv                     one line for each place
FOLDER/global_descriptors.npy         [P, D] float16, in the order of the lines
FOLDER/covariances.npy                [P, 6, 6] float64 of the poses, NaN where there is none
FOLDER/images/000000.jpg              if the map stores images
FOLDER/local_features/000000.npz      descriptors [N, C], positions [N, 2], weights [N]
FOLDER/local_features/000000.blob     the encoded features, if encoding the decoded ones again
                                      gives other bytes
```

Importing an exported folder gives the same descriptors, images and records, bit for bit.
"""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from fol_vpr.database.format.codecs import CODECS
from fol_vpr.database.reader import MapReader
from fol_vpr.database.storage.sqlite_files import fsync
from fol_vpr.database.tools.folder_cameras import NumberedCameras
from fol_vpr.database.writer import Progress
from fol_vpr.datatypes import MapInfo, Place
from fol_vpr.errors import InputError, StorageError
from fol_vpr.files import umask

FORMAT = 2
COLUMNS = (
    'place_id', 'session_id', 'stamp_ns', 'image_uri', 'sensor_frame', 'image_width',
    'image_height', 'x', 'y', 'z', 'qx', 'qy', 'qz', 'qw', 'latitude', 'longitude', 'altitude',
    'camera',
)  # fmt: skip


def export_map(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
) -> MapInfo:
    """Export a map as a new folder.

    Args:
        path: the map file.
        folder: the folder to make.
        progress: called with the number of places written and of places in all.

    Returns:
        The summary of the map.

    Raises:
        InputError: the folder exists already.
        MapError: the map is damaged.
        StorageError: no space or no permission; the unfinished folder was removed.
    """
    folder = Path(folder)
    if folder.exists():
        raise InputError(f'{folder} exists already: give the name of a new folder')
    unfinished: Path | None = None
    with MapReader(path) as reader:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            # A new name beside the folder: nothing that was there is written to or removed.
            unfinished = Path(tempfile.mkdtemp('.partial', f'.{folder.name}.', folder.parent))
            unfinished.chmod(0o777 & ~umask())
            (unfinished / 'local_features').mkdir()
            (unfinished / 'images').mkdir()
            cameras = NumberedCameras(reader.places)
            _write_common(reader, cameras, unfinished)
            _write_places(reader, cameras, unfinished, progress)
            unfinished.rename(folder)
            fsync(folder.parent)
        except OSError as error:
            raise StorageError(
                f'{folder} cannot be written ({error.strerror}): check the free space and the '
                'permissions'
            ) from error
        finally:
            if unfinished is not None:
                shutil.rmtree(unfinished, ignore_errors=True)
        return reader.info


def _write_common(reader: MapReader, cameras: NumberedCameras, folder: Path) -> None:
    common = {
        'format': FORMAT,
        'places': reader.info.places,
        'map': reader.header.to_meta(),
        'calibration': reader.calibration(),
        'cameras': cameras.as_json,
    }
    (folder / 'map.json').write_text(json.dumps(common, indent=2) + '\n', 'utf-8')
    shape = (reader.info.places, reader.header.descriptor_dim)
    descriptors = np.lib.format.open_memmap(
        folder / 'global_descriptors.npy', mode='w+', dtype='<f2', shape=shape
    )
    for index, descriptor in reader.iterate_descriptors():
        descriptors[index] = descriptor
    descriptors.flush()
    covariances = np.full((reader.info.places, 6, 6), np.nan)
    for place in reader.places:
        if place.pose is not None and place.pose.covariance is not None:
            covariances[place.index] = place.pose.covariance
    np.save(folder / 'covariances.npy', covariances)


def _write_places(
    reader: MapReader, cameras: NumberedCameras, folder: Path, progress: Progress | None
) -> None:
    codec = CODECS[reader.header.codec]
    with (folder / 'places.csv').open('w', encoding='utf-8', newline='') as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for place in reader.places:
            record = reader.record(place.index)
            rows.writerow([*_fields(place), cameras.number(place)])
            local = codec.decode(record.features, record.count, reader.header.local_dim)
            stem = folder / 'local_features' / f'{place.index:06d}'
            np.savez(
                stem.with_suffix('.npz'),
                descriptors=_narrowed(local.descriptors),
                positions=local.positions,
                weights=local.weights,
            )
            if codec.encode(local) != record.features:
                stem.with_suffix('.blob').write_bytes(record.features)
            if record.jpeg is not None:
                (folder / 'images' / f'{place.index:06d}.jpg').write_bytes(record.jpeg)
            if progress is not None:
                progress(place.index + 1, len(reader.places))


def _fields(place: Place) -> list[object]:
    pose: list[object] = [''] * 7
    geo: list[object] = [''] * 3
    if place.pose is not None:
        pose = [*place.pose.position.tolist(), *place.pose.orientation.tolist()]
    if place.geo is not None:
        altitude = '' if math.isnan(place.geo.altitude) else place.geo.altitude
        geo = [place.geo.latitude, place.geo.longitude, altitude]
    texts = [place.place_id, place.session_id, place.stamp_ns, place.image_uri]
    return [*texts, place.sensor_frame, *place.image_size, *pose, *geo]


def _narrowed(values: np.ndarray) -> np.ndarray:
    """The values as float16 if that is exact, unchanged otherwise."""
    narrow = values.astype(np.float16)
    return narrow if np.array_equal(narrow.astype(values.dtype), values) else values
