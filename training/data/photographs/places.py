"""From clones of public repositories to folders of places, as images.csv lists them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from fol_vpr.errors import InputError, StorageError
from fol_vpr.pictures.images import jpeg_of
from fol_vpr.sources import decode_bytes
from training.data.photographs.clones import Clone, Source
from training.data.photographs.panoramas import FACES, exposed, rays, view_of_cube, view_of_sphere

TABLES = Path(__file__).parent
SIDE = 512
"""Longer side of a photograph that is written, in pixels."""
QUALITY = 90
"""Of the JPEG."""
TILES = 2
"""Rows, and columns, of the tiles of a face."""


@dataclass(frozen=True)
class PlaceImage:
    """An image to write, as a row of images.csv."""

    source: str
    place: str
    image: str
    """Name of the file that is written."""
    file: str
    """Path in the repository; with {face} of a cube, with {row} and {column} of tiled faces."""
    view: tuple[float, ...]
    """Yaw, pitch, field of view and roll in degrees, as `rays` takes them; empty takes a
    photograph as it is."""
    stops: float
    """Exposure of a view of a panorama in linear light, as `exposed` takes it."""


def read_sources(names: Sequence[str] = (), tables: Path = TABLES) -> list[Source]:
    """The repositories in sources.csv.

    Args:
        names: of those to take; none takes all.
        tables: folder with sources.csv.

    Raises:
        InputError: no source has one of these names.
    """
    sources = {}
    for row in _rows(tables / 'sources.csv'):
        width = row.pop('width')
        sources[row['name']] = Source(**row, width=int(width) if width else None)
    if unknown := [name for name in names if name not in sources]:
        raise InputError(f'no source is called {unknown[0]}; there are {", ".join(sources)}')
    return [sources[name] for name in dict.fromkeys(names or sources)]


def read_images(tables: Path = TABLES) -> list[PlaceImage]:
    """The images in images.csv.

    Args:
        tables: folder with images.csv.
    """
    found = []
    for row in _rows(tables / 'images.csv'):
        view = [row.pop(name) for name in ('yaw', 'pitch', 'fov', 'roll')]
        stops = float(row.pop('stops') or 0)
        found.append(PlaceImage(**row, view=tuple(map(float, filter(None, view))), stops=stops))
    return found


def write_photographs(
    clones: Path,
    output: Path,
    names: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
    tables: Path = TABLES,
) -> int:
    """Write OUTPUT/<source>/<place>/*.jpg, and the table of sources with their licences.

    Files of the same names are replaced, others stay. All clones are looked at before anything is
    written.

    Args:
        clones: folder of git clones, each called as its source.
        output: folder to write to.
        names: of the sources; none takes all.
        progress: told how many images are written, and of how many.
        tables: folder with sources.csv and images.csv.

    Returns:
        The number of images.

    Raises:
        InputError: an unknown source, or a clone that is missing, lacks the commit or a file.
        StorageError: no space, or no permission.
    """
    opened = {
        source.name: (Clone(source, clones / source.name), source.width)
        for source in read_sources(names, tables)
    }
    images = [each for each in read_images(tables) if each.source in opened]
    done = 0
    try:
        for name, (clone, width) in opened.items():
            for each, pixels in _made(clone, width, (i for i in images if i.source == name)):
                path = output / name / each.place / each.image
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(jpeg_of(pixels, QUALITY))
                done += 1
                if progress:
                    progress(done, len(images))
        (output / 'sources.csv').write_bytes((tables / 'sources.csv').read_bytes())
    except OSError as error:
        raise StorageError(
            f'{output} cannot be written: {error}; make space or choose another folder'
        ) from error
    return done


def _made(
    clone: Clone, width: int | None, images: Iterable[PlaceImage]
) -> Iterator[tuple[PlaceImage, np.ndarray]]:
    """Each image with its pixels [H, W, 3] uint8, RGB; a panorama is decoded once."""
    for file, group in groupby(sorted(images, key=lambda each: each.file), lambda each: each.file):
        if file.endswith('.hdr'):
            light = _light(clone, file)
            for each in group:
                yield each, exposed(view_of_sphere(light, rays(*each.view)), each.stops)
        elif '{face}' in file:
            faces = {face: _narrowed(_face(clone, file, face), width) for face in FACES}
            for each in group:
                yield each, view_of_cube(faces, rays(*each.view))
        else:
            whole = _read(clone, file)
            sphere = _narrowed(whole, width)
            for each in group:
                view = view_of_sphere(sphere, rays(*each.view)) if each.view else _small(whole)
                yield each, view


def _face(clone: Clone, file: str, face: str) -> np.ndarray:
    if '{row}' not in file:
        return _read(clone, file.format(face=face))
    steps = range(TILES)
    rows = [
        np.hstack([_read(clone, file.format(face=face, row=r, column=c)) for c in steps])
        for r in steps
    ]
    return np.vstack(rows)


def _read(clone: Clone, path: str) -> np.ndarray:
    return decode_bytes(clone.read(path), path, upright=True)


def _light(clone: Clone, path: str) -> np.ndarray:
    """A panorama in Radiance's format, [H, W, 3] float32, linear RGB.

    Raises:
        InputError: OpenCV cannot decode the file.
    """
    light = cv2.imdecode(np.frombuffer(clone.read(path), np.uint8), cv2.IMREAD_UNCHANGED)
    if light is None or light.dtype != np.float32 or light.ndim != 3:
        raise InputError(f'{path} is not a panorama in Radiance HDR format that OpenCV can read')
    return light[..., ::-1]


def _narrowed(image: np.ndarray, width: int | None) -> np.ndarray:
    """The image, made smaller where it is wider than `width` pixels."""
    height, before = image.shape[:2]
    if width is None or before <= width:
        return image
    size = (width, int(height * width / before))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _small(photograph: np.ndarray) -> np.ndarray:
    image = Image.fromarray(photograph)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))
