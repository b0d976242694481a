"""The images of a data set as a source of frames."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from fol_vpr.config import CameraConfig
from fol_vpr.datatypes import Camera, Frame
from fol_vpr.files import read_bytes
from fol_vpr.sources.cameras import WITHOUT_CAMERA, size_mismatch
from fol_vpr.sources.datasets.contents import Contents
from fol_vpr.sources.folder import ImageFolder
from fol_vpr.sources.source import FrameSelector, OnBad
from fol_vpr.sources.utm_positions import Location, in_one_zone

_FARTHEST_CENTRE = 0.1
"""Share of the width or height between a principal point and the centre of the image."""


class DatasetImages(ImageFolder):
    """Images of a data set with the poses, times and camera that it gives.

    Attributes:
        selects_keyframes: whether the images are of a drive, so that a map takes keyframes.
        own_origin: whether the origin of the poses is the start of the drive.
        ground_truth: file of the data set with the positives of queries, or None.
    """

    def __init__(
        self, contents: Contents, *, frame_id: str = '', camera: CameraConfig | None = None
    ) -> None:
        """Wrap what a reader found.

        Args:
            contents: see there.
            frame_id: of the poses, if the data set does not name it correctly.
            camera: the calibration, as far as the user gives it.

        Raises:
            InputError: the calibration is invalid.
        """
        self._contents = contents
        super().__init__(contents.root, frame_id=frame_id, camera=camera)
        self.session_id = contents.session_id
        self.selects_keyframes = contents.is_drive
        self.own_origin = contents.own_origin and not frame_id
        self.ground_truth = contents.ground_truth
        if self._camera is None:
            self._camera = contents.camera
        elif self._camera.mount is None:
            self._camera = replace(self._camera, mount=contents.mount)
        posed = sum(each.pose is not None for each in self._locations.values())
        poses = f', {posed} with poses' if posed else ', without poses'
        self.description = f'{contents.title}: {len(self.files)} images of {self.path}{poses}'
        for note in contents.notes:
            self._warn(f'{contents.title}, {self.path}: {note}')

    def keyframes(
        self, selector: FrameSelector, start: int = 0, on_bad: OnBad | None = None
    ) -> Iterator[tuple[int, Frame]]:
        """The images that a map takes: of a drive those with a pose that the selector chooses."""
        if not self._contents.is_drive:
            yield from self.frames(start, on_bad)
            return
        for index in range(start, len(self.files)):
            capture = self._capture(index)
            where = capture.stamp_ns, capture.pose, capture.geo
            if capture.pose is None or not selector.wants(*where):
                continue
            for found in self.frames(index, on_bad, index + 1):
                yield found
                selector.stored(*where)

    def frame(self, index: int) -> Frame:
        """One image, by its index in `files`.

        Raises:
            InputError: the file cannot be read, or is damaged or no image; the message names it.
        """
        frame = super().frame(index)
        finish = self._contents.finish
        return frame if finish is None else replace(frame, image=finish(frame.image))

    def _camera_of(self, pixels: np.ndarray) -> Camera | None:
        size = (pixels.shape[1], pixels.shape[0])
        if self._camera is None and self._contents.matrix is not None:
            return self._of_matrix(self._contents.matrix, size)
        if self._camera is not self._contents.camera or self._camera is None:
            return super()._camera_of(pixels)
        if problem := size_mismatch(self._camera, size):
            self._warn(f'{self._contents.title}, {self.path}: {problem}; {WITHOUT_CAMERA}')
            return None
        return self._camera

    def _of_matrix(self, matrix: np.ndarray, size: tuple[int, int]) -> Camera | None:
        """The calibration of images of this size; None if they are not those it was made for."""
        centre = matrix[:2, 2] / size
        if np.abs(centre - 0.5).max() < _FARTHEST_CENTRE:
            return Camera(size, matrix, mount=self._contents.mount)
        self._warn(
            f'{self._contents.title}, {self.path}: the calibration has its principal point at '
            f'{matrix[0, 2]:.0f}, {matrix[1, 2]:.0f}, which is not near the centre of images of '
            f'{size[0]}x{size[1]} pixels, so they were resized or cropped; {WITHOUT_CAMERA}'
        )
        return None

    def _is_mounted(self) -> bool:
        return super()._is_mounted() or self._contents.mount is not None

    def _listed(self) -> tuple[list[str], list[str]]:
        return list(self._contents.files), []

    def _locate(self, csv_path: Path | None) -> dict[int, Location]:
        del csv_path
        located = self._contents.locations
        if self._contents.frame_id != 'utm':
            return located
        return in_one_zone(located, f'{self._contents.title}, {self.path}', self._warn)

    def _frame_of_poses(self, csv_path: Path | None, given: str) -> str:
        return super()._frame_of_poses(csv_path, given or self._contents.frame_id)

    def _fingerprint(self, csv_path: Path | None) -> str:
        """Also of the tables that the poses are from."""
        digest = hashlib.sha256(super()._fingerprint(csv_path).encode())
        for table in self._contents.tables:
            digest.update(read_bytes(table))
        return digest.hexdigest()
