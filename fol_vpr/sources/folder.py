"""A folder of images, flat or nested, as a source of frames."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fol_vpr.config import CameraConfig
from fol_vpr.datatypes import Camera, Frame, bare_frame
from fol_vpr.errors import InputError
from fol_vpr.files import natural_key, printable, read_bytes
from fol_vpr.sources.cameras import (
    WITHOUT_CAMERA,
    camera_fingerprint,
    configured_calibration,
    size_mismatch,
)
from fol_vpr.sources.image_names import IMAGE_SUFFIXES
from fol_vpr.sources.images.decode import read_file
from fol_vpr.sources.images.exif_position import position_in_exif
from fol_vpr.sources.images.stored_image import MAX_ENCODED_BYTES
from fol_vpr.sources.images.stream import Read, StreamDecoder, spread
from fol_vpr.sources.positions import location_from_name, read_locations
from fol_vpr.sources.source import Capture, FrameSelector, OnBad, path_errors
from fol_vpr.sources.utm_positions import Location, in_one_zone

_ENDINGS = tuple(IMAGE_SUFFIXES)
_LISTED = 5
"""How many file names a warning lists."""

IN_EXIF = 'exif'
"""In place of a table of positions: those that photographs carry in their EXIF data."""

log = logging.getLogger(__name__)


class ImageFolder:
    """All images of a folder and its subfolders, in the natural order of their paths.

    See `files.natural_key`: 2.jpg comes before 10.jpg.

    Positions come from a CSV (see docs/reference/file_formats.md), from the EXIF data of the
    images, or from file names like @utm_east@utm_north@....jpg. Files without the ending of an
    image format and hidden files are skipped; hidden folders are ignored.

    Attributes:
        selects_keyframes: False; every image becomes a reference.
        own_origin: False; positions of images are in a fixed frame.
        files: paths of the images relative to the folder, with '/', in order.
        skipped: paths of the skipped files, likewise.
        decoder: of the images.
    """

    selects_keyframes = False
    own_origin = False

    def __init__(
        self,
        path: str | Path,
        positions_csv: str | Path | None = None,
        *,
        frame_id: str = '',
        camera: CameraConfig | None = None,
    ) -> None:
        """List the folder, without opening the images.

        Args:
            path: the folder.
            positions_csv: see docs/reference/file_formats.md; `exif` takes the positions of EXIF,
                ./exif a table of that name. Without it, positions are those of the file names.
            frame_id: of the positions; empty takes utm for file names and map for a CSV.
            camera: the calibration of the images; images of another size get none.

        Raises:
            InputError: no such folder, no image in it, a CSV that does not match it, no position
                in EXIF or an unusable one, or an invalid calibration.
        """
        self.path = Path(path)
        self.warnings: list[str] = []
        with path_errors(self.path):
            self.files, self.skipped = self._listed()
        if self.skipped:
            self._warn(
                f'{len(self.skipped)} files in {self.path} do not have the ending of an image '
                f'format and are skipped: {_first(self.skipped)}'
            )
        if not self.files:
            raise InputError(
                f'{self.path} holds no image, expected files ending in '
                f'{", ".join(sorted(IMAGE_SUFFIXES))}, in subfolders or directly'
            )
        _check_encoding([str(self.path.resolve()), *self.files])
        self._camera_config = camera or CameraConfig()
        calibration = configured_calibration(self._camera_config)
        self._camera = None if calibration is None else calibration.camera
        if calibration is not None:
            self._warn(calibration.notice(self._camera_config.camera, self._is_mounted()))
        self.decoder = StreamDecoder(
            f'{self.path}',
            self._warn,
            image_range=self._camera_config.image_range,
            survey=self._survey,
        )
        self._in_exif = positions_csv == IN_EXIF
        csv_path = None if positions_csv is None or self._in_exif else Path(positions_csv)
        self._locations = self._of_exif() if self._in_exif else self._locate(csv_path)
        self.session_id = self.path.resolve().name
        self.frame_id = self._frame_of_poses(csv_path, frame_id)
        self.description = f'{len(self.files)} images of {self.path}'
        with path_errors(self.path):
            self.fingerprint = self._fingerprint(csv_path)

    def __len__(self) -> int:
        return len(self.files)

    def _is_mounted(self) -> bool:
        """Whether the mount of a camera is known, whose calibration file tells none."""
        return bool(self._camera_config.camera_mount)

    def captures(self) -> Iterator[Capture]:
        """What is known of each image; see `FrameSource.captures`."""
        return map(self._capture, range(len(self.files)))

    def frames(
        self, start: int = 0, on_bad: OnBad | None = None, stop: int | None = None
    ) -> Iterator[tuple[int, Frame]]:
        """Yield (index, frame) from image `start` on; see `FrameSource.frames`."""
        for index in range(len(self.files))[start:stop]:
            try:
                frame = self.frame(index)
            except InputError as error:
                if on_bad is None:
                    raise
                on_bad(index, error)
                continue
            yield index, frame

    def keyframes(
        self, _selector: FrameSelector, start: int = 0, on_bad: OnBad | None = None
    ) -> Iterator[tuple[int, Frame]]:
        """All frames, because the images of a folder were chosen by a person."""
        return self.frames(start, on_bad)

    def frame(self, index: int) -> Frame:
        """One image, by its index in `files`.

        Raises:
            InputError: the file cannot be read, or is damaged or no image; the message names it.
        """
        path = self.path / self.files[index]
        # A calibration is of the pixels as they are stored.
        upright = not self._camera_config.camera
        pixels = self.decoder.decode_file(read_image_file(path), str(path), upright=upright)
        return Frame(pixels, camera=self._camera_of(pixels), **self._capture(index)._asdict())

    def leaves_positions(self) -> bool:
        """Whether no position was asked for, and the EXIF data of the first image has one."""
        if self._locations or self._in_exif:
            return False
        try:
            return position_in_exif(self.path / self.files[0]) is not None
        except InputError:
            return False

    def _listed(self) -> tuple[list[str], list[str]]:
        return list_images(self.path)

    def _survey(self) -> Iterator[Read]:
        """Readers of images that are evenly spread over the folder."""
        for index in spread(len(self.files)):
            path = self.path / self.files[index]
            yield lambda path=path: read_file(read_image_file(path), str(path), heif=True)  # type: ignore[misc]

    def _camera_of(self, pixels: np.ndarray) -> Camera | None:
        size = (pixels.shape[1], pixels.shape[0])
        if self._camera is None or not (problem := size_mismatch(self._camera, size)):
            return self._camera
        self._warn(f'{self._camera_config.camera}: {problem}; {WITHOUT_CAMERA}')
        return None

    def stamps(self) -> list[int | None]:
        """Time of each image in nanoseconds, None if the CSV gives none."""
        return [self._locations.get(index, Location()).stamp_ns for index in range(len(self))]

    def _capture(self, index: int) -> Capture:
        location = self._locations.get(index, Location())
        uri = str((self.path / self.files[index]).absolute())
        return Capture(location.stamp_ns or 0, uri, location.pose, location.geo)

    def _locate(self, csv_path: Path | None) -> dict[int, Location]:
        if csv_path is None:
            named = ((i, location_from_name(Path(f).name)) for i, f in enumerate(self.files))
            located = {index: location for index, location in named if location is not None}
            return in_one_zone(located, f'names of images in {self.path}', self._warn)
        locations = read_locations(csv_path, self.path, self.files)
        missing = [name for index, name in enumerate(self.files) if index not in locations]
        if missing:
            self._warn(
                f'{len(missing)} of {len(self.files)} images have no row in {csv_path} and get '
                f'no position and no time: {_first(missing)}'
            )
        return in_one_zone(self._without_zero(locations, csv_path), str(csv_path), self._warn)

    def _of_exif(self) -> dict[int, Location]:
        """The positions that images carry in their EXIF data.

        Raises:
            InputError: none has one, or one has none that can be used.
        """
        found = {
            index: Location(None, position)
            for index, name in enumerate(self.files)
            if (position := position_in_exif(self.path / name)) is not None
        }
        if not found:
            raise InputError(
                f'none of the {len(self.files)} images of {self.path} has a satellite position '
                'in its EXIF data; give a table, --positions CSV, or copy the files from the '
                'camera again (apps that send photographs often remove it)'
            )
        missing = [name for index, name in enumerate(self.files) if index not in found]
        if missing:
            self._warn(
                f'{len(missing)} of {len(self.files)} images have no satellite position in their '
                f'EXIF data and get none: {_first(missing)}'
            )
        return self._without_zero(found, self.path)

    def _without_zero(self, locations: dict[int, Location], path: Path) -> dict[int, Location]:
        """The locations without geodetic positions of exactly 0/0, which are no fixes."""
        zero = [
            index
            for index, each in locations.items()
            if each.geo is not None and each.geo.latitude == each.geo.longitude == 0
        ]
        if zero:
            self._warn(
                f'{path}: {len(zero)} of {len(locations)} positions have latitude 0 and '
                'longitude 0, which receivers give before their first fix; they are taken as not '
                'known'
            )
        return locations | {index: replace(locations[index], geo=None) for index in zero}

    def _frame_of_poses(self, csv_path: Path | None, given: str) -> str:
        if not any(location.pose for location in self._locations.values()):
            return ''
        return bare_frame(given) or ('utm' if csv_path is None else 'map')

    def _fingerprint(self, csv_path: Path | None) -> str:
        """Hash of names, sizes and times of the files, and of what gives their positions."""
        digest = hashlib.sha256()
        for name in self.files:
            status = (self.path / name).stat()
            digest.update(f'{name}\0{status.st_size}\0{status.st_mtime_ns}\0'.encode())
        if csv_path is not None:
            digest.update(read_bytes(csv_path, 'a table'))
        if self._in_exif:
            digest.update(IN_EXIF.encode())
        digest.update(camera_fingerprint(self._camera_config))
        return digest.hexdigest()

    def _warn(self, message: str) -> None:
        if message and message not in self.warnings:
            self.warnings.append(message)
            log.warning(message)


def _check_encoding(names: Sequence[str]) -> None:
    """Check that names are UTF-8, as maps and results keep them.

    Raises:
        InputError: one is not.
    """
    for name in names:
        if any('\ud800' <= letter <= '\udfff' for letter in name):
            raise InputError(
                f'the name {printable(name)!r} is not in UTF-8, in which maps and results keep '
                'names; rename it, or convert all with convmv'
            )


def list_images(root: Path) -> tuple[list[str], list[str]]:
    """Images of a folder and its subfolders, and the other files; both in natural order.

    Links to folders are followed; a folder that is linked several times is listed once. Hidden
    folders are ignored.

    Returns:
        Two lists of paths relative to `root`, with '/': the images, and all other files. Hidden
        files count as other files, because macOS writes ._x.jpg beside x.jpg.

    Raises:
        InputError: `root` is no folder, or a folder cannot be listed.
    """
    if not root.is_dir():
        raise InputError(f'{root} is no folder, expected a folder of images')
    images: list[str] = []
    others: list[str] = []
    visited: set[str] = set()
    waiting = ['']
    while waiting:
        prefix = waiting.pop()
        folder = root / prefix
        place = os.path.realpath(folder)
        if place in visited:
            continue
        visited.add(place)
        subfolders = []
        for entry in _entries(folder):
            name = f'{prefix}{entry.name}'
            if entry.is_dir():
                if not entry.name.startswith('.'):
                    subfolders.append(f'{name}/')
                continue
            is_named_so = entry.name.lower().endswith(_ENDINGS) and entry.name[0] != '.'
            (images if is_named_so and entry.is_file() else others).append(name)
        waiting += sorted(subfolders, key=natural_key, reverse=True)
    return sorted(images, key=natural_key), sorted(others, key=natural_key)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise InputError(
            f'{folder} cannot be listed: {error.strerror}; check its permissions'
        ) from error


def read_image_file(path: Path) -> bytes:
    """Bytes of an image file.

    Raises:
        InputError: the file cannot be read, is a pointer of Git LFS, or has more than
            `MAX_ENCODED_BYTES`.
    """
    return read_bytes(path, 'an image', MAX_ENCODED_BYTES)


def _first(names: list[str]) -> str:
    rest = len(names) - _LISTED
    return ', '.join(names[:_LISTED]) + (f' and {rest} more' if rest > 0 else '')
