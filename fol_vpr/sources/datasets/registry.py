"""The data sets that can be read by their names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from fol_vpr.config import CameraConfig
from fol_vpr.errors import InputError
from fol_vpr.files import printable
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
    'tum_rgbd': 'tum', 'euroc_mav': 'euroc', 'kitti_odometry': 'kitti', 'four_seasons': '4seasons',
    'oxford_robotcar': 'robotcar', 'tokyo_24_7': 'tokyo247', 'tokyo24_7': 'tokyo247',
    'pitts': 'pitts30k', 'pittsburgh': 'pitts30k', 'pitts250k': 'pitts30k', 'sfxl': 'sf_xl',
    'mapillary_sls': 'msls', 'vprbench': 'vpr_bench',
}  # fmt: skip


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
    key = called.strip().lower().replace('-', '_').replace('/', '_').replace(' ', '_')
    key = _ALIASES.get(key, key)
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
        contents = READERS[key](folder, max_pose_gap, variant.strip().lower())
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
