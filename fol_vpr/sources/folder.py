"""A folder of images, flat or nested, as a source of frames."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fol_vpr.config import CameraConfig
from fol_vpr.datatypes import Camera, Frame
from fol_vpr.errors import InputError
from fol_vpr.sources.cameras import (
    WITHOUT_CAMERA,
    camera_fingerprint,
    configured_camera,
    size_mismatch,
)
from fol_vpr.sources.images.decode import MAX_ENCODED_BYTES, decode_bytes
from fol_vpr.sources.positions import Location, location_from_name, read_locations
from fol_vpr.sources.source import Capture, FrameSelector, OnBad, path_errors

IMAGE_SUFFIXES = frozenset(
    ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp', '.ppm', '.pgm')
)
_NAMED = 5  # how many of the skipped files a warning names

log = logging.getLogger(__name__)


class ImageFolder:
    """Every image of a folder and its subfolders, sorted by path from the folder.

    Positions come from a CSV (see docs/reference/file_formats.md) or, without one, from file names
    like @utm_east@utm_north@....jpg. Hidden files and folders, and files with other endings than
    an image's, are skipped and named in `skipped`.

    Attributes:
        selects_keyframes: False; every image becomes a reference.
        own_origin: False; positions of images are in the frame that they are said to be in.
        files: paths of the images from the folder, with '/', in order.
        skipped: what else lies there, likewise.
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
        """List the folder; images are not opened yet.

        Args:
            path: the folder.
            positions_csv: see docs/reference/file_formats.md.
            frame_id: of the positions; empty: utm for those in file names, map for a CSV's.
            camera: that all images were taken with; those of another size have none.

        Raises:
            InputError: no such folder, no image in it, a CSV that does not fit it, or a
                calibration that cannot be used.
        """
        self.path = Path(path)
        self.warnings: list[str] = []
        with path_errors(self.path):
            self.files, self.skipped = list_images(self.path)
        if self.skipped:
            self._warn(
                f'{len(self.skipped)} files in {self.path} are no images by their endings and '
                f'are skipped: {_first(self.skipped)}'
            )
        if not self.files:
            raise InputError(
                f'{self.path} holds no image, expected files ending in '
                f'{", ".join(sorted(IMAGE_SUFFIXES))}, in subfolders or directly'
            )
        self._camera_config = camera or CameraConfig()
        self._camera = configured_camera(self._camera_config)
        csv_path = None if positions_csv is None else Path(positions_csv)
        self._locations = self._locate(csv_path)
        self.session_id = self.path.resolve().name
        self.frame_id = self._frame_of_poses(csv_path, frame_id)
        self.description = f'{len(self.files)} images of {self.path}'
        with path_errors(self.path):
            self.fingerprint = self._fingerprint(csv_path)

    def __len__(self) -> int:
        return len(self.files)

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
        """All frames: whoever puts images into a folder has chosen them."""
        return self.frames(start, on_bad)

    def frame(self, index: int) -> Frame:
        """One image, by its index in `files`.

        Raises:
            InputError: it cannot be read or is no sound image; the file is named.
        """
        path = self.path / self.files[index]
        pixels = decode_bytes(read_image_file(path), str(path))
        return Frame(pixels, camera=self._camera_of(pixels), **self._capture(index)._asdict())

    def _camera_of(self, pixels: np.ndarray) -> Camera | None:
        size = (pixels.shape[1], pixels.shape[0])
        if self._camera is None or not (problem := size_mismatch(self._camera, size)):
            return self._camera
        self._warn(f'{self._camera_config.camera}: {problem}; {WITHOUT_CAMERA}')
        return None

    def stamps(self) -> list[int | None]:
        """Time of each image in nanoseconds, None where the CSV gives none."""
        return [self._locations.get(index, Location()).stamp_ns for index in range(len(self))]

    def _capture(self, index: int) -> Capture:
        location = self._locations.get(index, Location())
        uri = str((self.path / self.files[index]).absolute())
        return Capture(location.stamp_ns or 0, uri, location.pose, location.geo)

    def _locate(self, csv_path: Path | None) -> dict[int, Location]:
        if csv_path is None:
            named = ((i, location_from_name(Path(f).name)) for i, f in enumerate(self.files))
            return {index: location for index, location in named if location is not None}
        locations = read_locations(csv_path, self.path, self.files)
        missing = [name for index, name in enumerate(self.files) if index not in locations]
        if missing:
            self._warn(
                f'{len(missing)} of {len(self.files)} images have no row in {csv_path} and stay '
                f'without position and time: {_first(missing)}'
            )
        return locations

    def _frame_of_poses(self, csv_path: Path | None, given: str) -> str:
        if not any(location.pose for location in self._locations.values()):
            return ''
        return given or ('utm' if csv_path is None else 'map')

    def _fingerprint(self, csv_path: Path | None) -> str:
        """Hash of names, sizes and times of the files and of the CSV's content."""
        digest = hashlib.sha256()
        for name in self.files:
            status = (self.path / name).stat()
            digest.update(f'{name}\0{status.st_size}\0{status.st_mtime_ns}\0'.encode())
        if csv_path is not None:
            digest.update(csv_path.read_bytes())
        digest.update(camera_fingerprint(self._camera_config))
        return digest.hexdigest()

    def _warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)
            log.warning(message)


def list_images(root: Path) -> tuple[list[str], list[str]]:
    """Images of a folder and its subfolders, and the other files; both sorted.

    Links to folders are followed, each real folder once.

    Returns:
        Two lists of paths from `root` with '/'. Hidden files count as no images (._x.jpg of
        macOS is none), hidden folders are not looked into.

    Raises:
        InputError: `root` is no folder, or cannot be listed.
    """
    if not root.is_dir():
        raise InputError(f'{root} is no folder, expected a folder of images')
    images: list[str] = []
    others: list[str] = []
    visited: set[Path] = set()
    for folder, subfolders, names in os.walk(root, onerror=_raise_unlisted, followlinks=True):
        visited.add(Path(folder).resolve())
        subfolders[:] = [
            name
            for name in sorted(subfolders)
            if not name.startswith('.') and Path(folder, name).resolve() not in visited
        ]
        for name in names:
            path = Path(folder, name)
            is_image = not name.startswith('.') and path.suffix.lower() in IMAGE_SUFFIXES
            chosen = images if is_image and path.is_file() else others
            chosen.append(path.relative_to(root).as_posix())
    return sorted(images), sorted(others)


def read_image_file(path: Path) -> bytes:
    """Bytes of an image file.

    Raises:
        InputError: it cannot be read, or is larger than any image.
    """
    try:
        size = path.stat().st_size
        if size > MAX_ENCODED_BYTES:
            raise InputError(f'{path} has {size} bytes, expected at most {MAX_ENCODED_BYTES}')
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f'{path} cannot be read: {error.strerror}; check that it is still there and that '
            'its permissions allow it'
        ) from error


def _raise_unlisted(error: OSError) -> None:
    raise InputError(
        f'{error.filename} cannot be listed: {error.strerror}; check its permissions'
    ) from error


def _first(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ', '.join(names[:_NAMED]) + (f' and {rest} more' if rest > 0 else '')
