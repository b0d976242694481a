"""From settings to places, and to validation sets."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from fol_vpr.config import Checked, EvaluationConfig
from fol_vpr.errors import InputError
from fol_vpr.evaluation.ground_truth import (
    CapturedPosition,
    positives_by_position,
    read_ground_truth,
)
from fol_vpr.sources import ImageFolder
from training.data.config import (
    DrivesSource,
    FoldersSource,
    GsvCitiesSource,
    PairSource,
    PlaceSource,
    ValidationConfig,
    ValidationSource,
    VideosSource,
    VprSource,
)
from training.data.drives import Drives
from training.data.folders import FilePlaces, GroupedFolders, Videos
from training.data.gsv_cities import GsvCities
from training.data.images.decoded import DecodedPlaces
from training.data.places import PlaceDataset, Places
from training.data.validation import ImageList, LoadableImage, ValidationSet


def open_places(
    sources: tuple[PlaceSource, ...], cache: str = '', cache_gib: float = 0.0
) -> Places:
    """The places of all sources, one after the other.

    Args:
        sources: of any kind.
        cache: folder for decoded images; empty keeps none.
        cache_gib: most that those of a source take, in GiB.

    Raises:
        InputError: no source, or one that cannot be used.
        StorageError: the decoded images cannot be written.
    """
    opened = [_open(source) for source in sources]
    if cache:
        limit = round(cache_gib * 2**30)
        opened = [
            DecodedPlaces(each, Path(cache), limit) if isinstance(each, FilePlaces) else each
            for each in opened
        ]
    return Places(opened, [source.repeat for source in sources])


def _open(source: Checked) -> PlaceDataset:
    match source:
        case GsvCitiesSource():
            return GsvCities(source)
        case FoldersSource():
            return GroupedFolders(source)
        case VideosSource():
            return Videos(source)
        case DrivesSource():
            return Drives(source)
        case _:
            raise InputError(f'{type(source).__name__} has no places to learn from')


def open_validation(source: ValidationSource, queries: int = 0) -> ValidationSet:
    """References, queries and ground truth of a source.

    Args:
        source: of any kind.
        queries: how many to take, evenly from all; 0 takes all.

    Raises:
        InputError: the source cannot be used, or no query has a positive.
    """
    match source:
        case VprSource():
            found = _vpr(source)
        case PairSource():
            found = _pair(source)
        case DrivesSource() if len(source.paths) > 1:
            found = Drives(source).first_against_others()
        case _:
            found = _of_places(_open(source))
    found = found.subsampled(queries)
    if not any(found.positives):
        raise InputError(
            f'{found.name}: none of the {len(found.queries)} queries has a positive among the '
            f'{len(found.references)} references; is the ground truth of the same set?'
        )
    return found


def open_validation_sets(config: ValidationConfig, queries: int) -> list[ValidationSet]:
    """All sets that are validated on; with `together` one of all of them.

    Args:
        config: what they are.
        queries: how many to take of each set; 0 takes all.

    Raises:
        InputError: a source cannot be used, or `distractors` are given without `together`.
    """
    if config.distractors and not config.together:
        raise InputError('validation.distractors fill one map, expected validation.together: true')
    sets = [open_validation(source, queries) for source in config.sets]
    if not config.together or not sets:
        return sets
    others = [open_validation(source).references for source in config.distractors]
    return [in_one_map(sets, others)]


def in_one_map(sets: Sequence[ValidationSet], distractors: Sequence[ImageList]) -> ValidationSet:
    """The queries of several sets, each against the references of all sets and of others.

    Args:
        sets: their queries without a positive are left out.
        distractors: further references.
    """
    references: list[LoadableImage] = []
    queries: list[LoadableImage] = []
    positives: list[frozenset[int]] = []
    for each in sets:
        before = len(references)
        references += each.references.items
        for query, shown in zip(each.queries.items, each.positives, strict=True):
            if shown:
                queries.append(query)
                positives.append(frozenset(before + place for place in shown))
    references += [item for each in distractors for item in each.items]
    name = f'{len(sets)} sets in one map of {len(references)} places'
    return ValidationSet(
        name,
        ImageList(f'references of {name}', references),
        ImageList(f'queries of {name}', queries),
        positives,
    )


def _vpr(source: VprSource) -> ValidationSet:
    root = Path(source.path)
    missing = [name for name in ('database', 'queries') if not (root / name).is_dir()]
    if missing:
        raise InputError(
            f'{root} has no {" and no ".join(missing)}, expected folders database and queries'
        )
    folders = [ImageFolder(root / name) for name in ('database', 'queries')]
    where = [[CapturedPosition.of(capture) for capture in folder.captures()] for folder in folders]
    criteria = EvaluationConfig(positive_radius=source.radius)
    positives = positives_by_position(where[1], where[0], criteria)
    return ValidationSet(root.name, _items(folders[0]), _items(folders[1]), positives)


def _pair(source: PairSource) -> ValidationSet:
    references, queries = ImageFolder(source.reference), ImageFolder(source.query)
    positives = read_ground_truth(source.ground_truth, len(queries), len(references))
    name = Path(source.reference).parent.name
    return ValidationSet(name, _items(references), _items(queries), positives)


def _items(folder: ImageFolder) -> ImageList:
    return ImageList(
        folder.description,
        [
            LoadableImage(capture.uri, partial(_pixels, folder, index))
            for index, capture in enumerate(folder.captures())
        ],
    )


def _pixels(folder: ImageFolder, index: int) -> np.ndarray:
    return folder.frame(index).image


def _of_places(data: PlaceDataset) -> ValidationSet:
    """The middle image of each place is its reference, all other images are queries.

    An image may be of several places; then the references of all of them are right.
    """
    places = [data.images(place) for place in range(len(data))]
    middle = [len(images) // 2 for images in places]
    references = [
        LoadableImage(places[p][k], partial(data.load, p, k)) for p, k in enumerate(middle)
    ]
    taken = {item.uri for item in references}
    queries: dict[str, LoadableImage] = {}
    shown: dict[str, set[int]] = {}
    for place, images in enumerate(places):
        for number, uri in enumerate(images):
            if uri in taken:
                continue
            queries.setdefault(uri, LoadableImage(uri, partial(data.load, place, number)))
            shown.setdefault(uri, set()).add(place)
    return ValidationSet(
        data.description,
        ImageList(f'references of {data.description}', references),
        ImageList(f'queries of {data.description}', list(queries.values())),
        [frozenset(shown[uri]) for uri in queries],
    )
