"""Places that lie in files: folders grouped by place, and numbered frames of videos."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from fol_vpr.errors import InputError
from fol_vpr.sources import decode_bytes
from fol_vpr.sources.folder import list_images, read_image_file
from training.data.config import FoldersSource, VideosSource
from training.data.views import View, read_view


class FilePlaces:
    """Places whose images are files.

    Args:
        root: folder that the paths start from.
        places: paths of the images of each place.
        description: one line for people.
    """

    def __init__(self, root: Path, places: Sequence[Sequence[str]], description: str) -> None:
        self.root = root
        self.places = [list(names) for names in places]
        self.description = description

    def __len__(self) -> int:
        return len(self.places)

    def images(self, place: int) -> Sequence[str]:
        """Paths from the root; see `PlaceDataset`."""
        return self.places[place]

    def load(self, place: int, number: int) -> np.ndarray:
        """Read and decode; see `PlaceDataset`."""
        path = self.root / self.places[place][number]
        return decode_bytes(read_image_file(path), str(path), upright=True)

    def view(self, place: int, number: int) -> View | None:
        """None: of most files nobody knows; see `ViewedPlaces`."""
        del place, number
        return None

    def neighbours(self, place: int) -> Sequence[int]:
        """None: places in files are taken to be apart from each other."""
        del place
        return ()


class GroupedFolders(FilePlaces):
    """ROOT/<place>/*.jpg, the folder that an image lies in being its place."""

    def __init__(self, source: FoldersSource) -> None:
        """List the folder.

        Raises:
            InputError: no such folder, or no place with enough images in it.
        """
        root = Path(source.path)
        groups: dict[str, list[str]] = defaultdict(list)
        for name in list_images(root)[0]:
            groups[str(Path(name).parent)].append(name)
        chosen = {
            place: names for place, names in groups.items()
            if place != '.' and _is_chosen(place, source.include, source.exclude)
        }  # fmt: skip
        places = [names for names in chosen.values() if len(names) >= source.min_images]
        if not places:
            raise InputError(
                f'{root} has no place to learn from: of {len(groups)} folders with images '
                f'{len(chosen)} are chosen, and none has {source.min_images} images; expected '
                'a folder for each place'
            )
        images = sum(map(len, places))
        super().__init__(root, places, f'{len(places)} places, {images} images of {root}')

    def view(self, place: int, number: int) -> View | None:
        """What the town has written beside the image; see `ViewedPlaces`."""
        return read_view(self.root / self.places[place][number])


class Videos(FilePlaces):
    """Frames of videos by their number, a few in a row being one place."""

    def __init__(self, source: VideosSource) -> None:
        """List the folder.

        Raises:
            InputError: no such folder, or no video with enough frames in it.
        """
        root = Path(source.path)
        videos = _videos(root, source)
        places: list[list[str]] = []
        self._where: list[tuple[int, int]] = []
        for number, frames in enumerate(videos):
            for first in range(0, len(frames) - source.window + 1, source.stride):
                places.append(frames[first : first + source.window])
                self._where.append((number, first))
        if not places:
            raise InputError(
                f'{root} has no video to learn from: expected {source.window} files or more that '
                'are called <video>_<number>.jpg, with numbers in a row'
            )
        # Starts of two places that are `margin` frames apart, from the last of one to the first
        # of the other.
        self._reach = source.window - 1 + source.margin
        super().__init__(root, places, f'{len(places)} places in {len(videos)} videos of {root}')

    def neighbours(self, place: int) -> Sequence[int]:
        """Places of the same video that are close in time."""
        video, first = self._where[place]
        found = []
        for step in (-1, 1):
            other = place + step
            while 0 <= other < len(self) and self._near(other, video, first):
                found.append(other)
                other += step
        return found

    def _near(self, other: int, video: int, first: int) -> bool:
        its_video, its_first = self._where[other]
        return its_video == video and abs(its_first - first) <= self._reach


def _videos(root: Path, source: VideosSource) -> list[list[str]]:
    """Frames of each video in order; a gap in the numbers begins another one."""
    numbered: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for name in list_images(root)[0]:
        match = re.fullmatch(r'(.*?)_?(\d+)', str(Path(name).with_suffix('')))
        if match and _is_chosen(name, source.include, source.exclude):
            numbered[match[1]].append((int(match[2]), name))
    videos: list[list[str]] = []
    for frames in numbered.values():
        previous = None
        for number, name in sorted(frames):
            if previous is None or number != previous + 1:
                videos.append([])
            videos[-1].append(name)
            previous = number
    return videos


def _is_chosen(name: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    wanted = not include or any(fnmatch(name, pattern) for pattern in include)
    return wanted and not any(fnmatch(name, pattern) for pattern in exclude)
