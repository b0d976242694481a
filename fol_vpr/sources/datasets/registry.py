"""The data sets that can be read by their names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fol_vpr.config import CameraConfig
from fol_vpr.errors import InputError
from fol_vpr.files import natural_key, printable
from fol_vpr.sources.datasets import euroc, four_seasons, kitti, msls, nclt, places, robotcar, tum
from fol_vpr.sources.datasets.contents import Contents
from fol_vpr.sources.datasets.images import DatasetImages
from fol_vpr.sources.source import path_errors

Reader = Callable[[Path, float, str], Contents]


def _places(read: Callable[[Path], Contents], folder: Path, _gap: float, _: str) -> Contents:
    return read(folder)


READERS: dict[str, Reader] = {
    'tum': tum.read,
    'euroc': euroc.read,
    'kitti': kitti.read,
    '4seasons': four_seasons.read,
    'nclt': nclt.read,
    'robotcar': robotcar.read,
    'nordland': partial(_places, places.read_nordland),
    'tokyo247': partial(_places, partial(places.read_named, 'Tokyo 24/7')),
    'pitts30k': partial(_places, partial(places.read_named, 'Pitts30k')),
    'sf_xl': partial(_places, partial(places.read_named, 'SF-XL')),
    'msls': msls.read,
    'vpr_bench': partial(_places, places.read_vpr_bench),
}
"""Readers by the name that users give; the name may be followed by a colon and a variant."""
VARIANTS = {'msls': msls.SUBTASKS}
_ALIASES = {
    'tumrgbd': 'tum', 'eurocmav': 'euroc', 'kittiodometry': 'kitti', 'fourseasons': '4seasons',
    'oxfordrobotcar': 'robotcar', 'pitts': 'pitts30k', 'pittsburgh': 'pitts30k',
    'pitts250k': 'pitts30k', 'sfxl': 'sf_xl', 'mapillarysls': 'msls', 'vprbench': 'vpr_bench',
}  # fmt: skip
_MOST_FOLDERS = 1000
"""How many folders are looked into for the drive that is meant."""
_LEVELS = 3
_SHOWN = 4


def open_dataset(
    name: str,
    folder: str | Path,
    *,
    max_pose_gap: float = 0.0,
    frame_id: str = '',
    camera: CameraConfig | None = None,
) -> DatasetImages:
    """Open a part of a data set as it lies on the disk.

    Args:
        name: one of `READERS`, in capitals or not; of msls also with a subtask, as msls:s2w.
        folder: the drive or part that is wanted; see docs/how-to/datasets.md.
        max_pose_gap: maximum time in seconds between two poses to interpolate; 0 takes 0.5.
        frame_id: the frame of the poses, if the data set does not name it correctly.
        camera: the calibration, as far as the user gives it.

    Raises:
        InputError: no such data set, or a file of it is missing or damaged.
    """
    called, _, variant = name.partition(':')
    key = called.strip().lower()
    bare = re.sub(r'[-_/ ]', '', key)
    key = _ALIASES.get(bare, bare if bare in READERS else key)
    if key not in READERS:
        raise InputError(
            f'there is no data set {printable(called)!r} here, expected one of '
            f'{", ".join(READERS)}; for others give the images as a folder or a bag'
        )
    if variant and key not in VARIANTS:
        raise InputError(f'{key} has no variants, but {printable(name)!r} names one; leave it out')
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f'{printable(str(folder))} is no folder, expected one of {key}')
    with path_errors(folder):
        try:
            contents = READERS[key](folder, max_pose_gap, variant.strip().lower())
        except InputError as error:
            raise InputError(f'{error}{_advice(key, folder, str(error))}') from error
    return DatasetImages(contents, frame_id=frame_id, camera=camera)


def recognise(folder: Path) -> str:
    """The data set that a folder of images is a drive or part of, empty where it is none.

    It goes by the names of a few files, and opens none.
    """
    if all((folder / name).is_file() for name in tum.MARKS):
        return 'tum'
    found = euroc.find(folder)
    if found and (found[0] / found[1] / 'data.csv').is_file():
        return 'euroc'
    if kitti.find(folder) and (folder / 'times.txt').is_file():
        return 'kitti'
    if four_seasons.find(folder) and (folder / 'times.txt').is_file():
        return '4seasons'
    if robotcar.find(folder) and any(folder.glob('*.timestamps')):
        return 'robotcar'
    if (folder / 'lb3').is_dir() and nclt.find(folder):
        return 'nclt'
    if (folder / 'postprocessed.csv').is_file() and (folder / 'images').is_dir():
        return 'msls'
    return ''


def _advice(key: str, folder: Path, said: str) -> str:
    """The drive or the data set that is meant, where a folder is not what a reader expected."""
    other = recognise(folder)
    if other:
        return '' if other == key else f'; it looks like {other}: --dataset {other} {folder}'
    above = [each for each in folder.absolute().parents[:_LEVELS] if recognise(each) == key]
    found = above[:1] or _below(key, folder)
    if not found or (not above and all(str(each) in said for each in found)):
        return ''
    more = ' and others' if len(found) > _SHOWN else ''
    listed = ' or '.join(printable(str(each), 200) for each in found[:_SHOWN])
    return f'; {key} is in {listed}{more}: give that folder'


def _below(key: str, folder: Path) -> list[Path]:
    """Folders in a folder that are drives or parts of a data set, nearest ones first."""
    level, seen, found = [folder], 0, []
    for _ in range(_LEVELS):
        below: list[Path] = []
        for parent in level:
            children = sorted(_folders(parent), key=lambda each: natural_key(each.name))
            below += children[: _MOST_FOLDERS - seen]
            seen += len(children)
            if seen > _MOST_FOLDERS:
                break
        found += [each for each in below if recognise(each) == key]
        if found or seen > _MOST_FOLDERS:
            break
        level = below
    return found


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(each.path) for each in entries if each.is_dir() and each.name[0] != '.']
    except OSError:
        return []
