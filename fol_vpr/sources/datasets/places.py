"""Sets of places: names with positions, one number for one place, folders ref and query."""

from __future__ import annotations

import re
from pathlib import Path

from fol_vpr.errors import InputError
from fol_vpr.sources.datasets.contents import Contents
from fol_vpr.sources.folder import list_images
from fol_vpr.sources.positions import location_from_name

PARTS = ('database', 'queries')
VPR_PARTS = ('ref', 'query')
NORDLAND_SEASONS = ('spring', 'summer', 'fall', 'winter')
_DOWNLOADER = 'github.com/gmberton/VPR-datasets-downloader makes it'
TRUTHS = ('ground_truth_new.npy', 'ground_truth.npy', 'ground_truth.csv')


def read_named(title: str, folder: Path) -> Contents:
    """Read a folder of images named @utm_east@utm_north@... (Tokyo 24/7, Pitts30k, SF-XL, ...).

    Args:
        title: of the data set.
        folder: one part of it, such as images/test/database.

    Raises:
        InputError: there is no such folder, it has several parts, or images without position.
    """
    files = _listed(title, folder, PARTS, _DOWNLOADER)
    located = {
        index: location
        for index, name in enumerate(files)
        if (location := location_from_name(Path(name).name)) is not None
    }
    without = [name for index, name in enumerate(files) if index not in located]
    if without:
        raise InputError(
            f'{len(without)} of {len(files)} images of {folder} are not named '
            f'@utm_east@utm_north@..., as those of {title} are when {_DOWNLOADER}: the first is '
            f'{without[0]}'
        )
    turned = sum(each.pose is not None and each.pose.has_orientation for each in located.values())
    return Contents(
        title=title,
        root=folder,
        files=files,
        locations=located,
        session_id=folder.resolve().name,
        frame_id='utm',
        notes=[f'{turned} of {len(files)} names have a heading'],
    )


def read_nordland(folder: Path) -> Contents:
    """Read one season of Nordland; images with the same number show the same place.

    Args:
        folder: of a season, such as summer, or test/summer_images_test.

    Raises:
        InputError: there is no such folder, it holds several seasons, or names without number.
    """
    title = 'Nordland'
    origin = 'nrkbeta.no/2013/01/15/nordlandsbanen-minute-by-minute-season-by-season'
    files = _listed(title, folder, NORDLAND_SEASONS, f'its frames are cut from {origin}')
    unnumbered = [name for name in files if frame_number(name) is None]
    if unnumbered:
        raise InputError(
            f'{len(unnumbered)} of {len(files)} images of {folder} have no number in their name, '
            f'by which the seasons of {title} belong together: the first is {unnumbered[0]}'
        )
    return Contents(
        title=title,
        root=folder,
        files=files,
        locations={},
        session_id=folder.resolve().name,
        notes=['frames of equal number show one place: --index-tolerance N is its ground truth'],
    )


def read_vpr_bench(folder: Path) -> Contents:
    """Read ref/ or query/ of a set of VPR-Bench, with its ground truth.

    Args:
        folder: ref or query of the set.

    Raises:
        InputError: there is no such folder, or both are in it.
    """
    files = _listed(
        'VPR-Bench', folder, VPR_PARTS, 'see github.com/MubarizZaffar/VPR-Bench for its images'
    )
    # Of a link the folder that it lies in comes first, and then that of what it links to.
    parents = folder.absolute().parent, folder.resolve().parent
    beside = (parent / name for parent in parents for name in TRUTHS)
    truth = next((each for each in beside if each.is_file()), None)
    notes = [] if truth is None else [f'its ground truth is {truth.name}']
    return Contents(
        title='VPR-Bench',
        root=folder,
        files=files,
        locations={},
        session_id=folder.resolve().name,
        notes=notes,
        ground_truth=truth,
    )


def frame_number(name: str) -> int | None:
    """The last number in the name of an image without its ending, None where there is none."""
    found = re.findall(r'[0-9]+', Path(name).stem)
    return int(found[-1]) if found else None


def _listed(title: str, folder: Path, parts: tuple[str, ...], origin: str) -> list[str]:
    """The images of one part of a set, in natural order."""
    if not folder.is_dir():
        raise InputError(f'{folder} is missing: a part of {title}; {origin}')
    inside = [name for name in parts if any(folder.glob(f'{name}*/'))]
    deeper = sorted(
        {
            path.relative_to(folder).as_posix()
            for part in parts
            for pattern in (f'{part}*', f'*/{part}*', f'*/*/{part}*')
            for path in folder.glob(pattern)
            if path.is_dir()
        }
    )
    if inside or deeper:
        raise InputError(
            f'{folder} holds several parts of {title}, give one of them: '
            f'{", ".join(str(folder / name) for name in deeper[:8])}'
        )
    files, _ = list_images(folder)
    if not files:
        raise InputError(f'{folder} holds no image of {title}; {origin}')
    return files
