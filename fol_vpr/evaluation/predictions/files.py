"""The files of predictions: `preds/000.txt`, one for each query.

Each holds three blocks, each a line that names it, lines with paths, and an empty line:

    Query path:
    /data/queries/@549950.12@4180480.55@q0@.jpg

    Predictions paths:
    /data/database/@549951.40@4180479.10@r7@.jpg
    /data/database/@549922.03@4180501.87@r2@.jpg

    Positives paths:
    /data/database/@549951.40@4180479.10@r7@.jpg

The predictions are in their order, best first; how many there are is `--num_preds_to_save` of
that program, 0 by default. The last block is missing with its `--no_labels`. The number in a
file's name is that of the query in the alphabetical order of paths.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fol_vpr.errors import InputError, StorageError
from fol_vpr.files import natural_key, printable, read_text, umask

FOLDER = 'preds'
QUERY, PREDICTIONS, POSITIVES = 'Query path:', 'Predictions paths:', 'Positives paths:'
LIMIT = 16 * 2**20
"""Most bytes of one file; a query of a large data set has some hundred positives."""
REMEDY = 'run main.py of VPR-methods-evaluation with --num_preds_to_save 20'


@dataclass(frozen=True)
class Prediction:
    """The references that a program found for one query.

    Attributes:
        query: path of the image.
        predicted: paths of references, best first.
        positives: paths of the references that show its place; None where the program had no
            positions to tell.
    """

    query: str
    predicted: tuple[str, ...]
    positives: tuple[str, ...] | None = None


def read_predictions(path: str | Path) -> list[Prediction]:
    """Read the predictions of all queries.

    Args:
        path: the folder of a run, with `preds` in it, or `preds` itself.

    Returns:
        The predictions in the order of the numbers of their files.

    Raises:
        InputError: there is no such folder, or a file is none of these or incomplete, or some
            queries are missing.
    """
    folder = folder_of_predictions(path)
    numbered = {
        int(match.group(1)): file
        for file in sorted(folder.iterdir(), key=lambda each: natural_key(each.name))
        if (match := re.fullmatch(r'(\d{3,12})\.txt', file.name, re.ASCII))
    }
    if not numbered:
        raise InputError(
            f'{printable(str(folder))} holds no predictions, which are files such as 000.txt; '
            f'{REMEDY}'
        )
    missing = next((n for n in range(len(numbered)) if n not in numbered), None)
    if missing is not None:
        raise InputError(
            f'{printable(str(folder))} has {len(numbered)} predictions up to the query '
            f'{max(numbered)}, but none of the query {missing}: with --save_only_wrong_preds '
            f'those that are right are left out, and no share can be counted; {REMEDY}, without '
            'that option'
        )
    return [_read(numbered[number]) for number in range(len(numbered))]


def folder_of_predictions(path: str | Path) -> Path:
    """The folder `preds` of a run, or `path` where that is it.

    Raises:
        InputError: there is no such folder.
    """
    given = Path(path)
    if not given.is_dir():
        raise InputError(
            f'{printable(str(path))} is no folder, expected that of a run of '
            'VPR-methods-evaluation, such as logs/salad/2026-11-29_10-00-00, with preds in it; '
            'arrays and files of PyTorch are not read, because what is in them cannot be matched '
            f'with images: {REMEDY}'
        )
    inside = given / FOLDER
    return inside if inside.is_dir() else given


def _read(file: Path) -> Prediction:
    text = read_text(file, 'the predictions of a query', LIMIT)
    blocks: dict[str, list[str]] = {}
    block: list[str] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        where = f'{printable(str(file))}, line {number}'
        if line in (QUERY, PREDICTIONS, POSITIVES):
            if line in blocks:
                raise InputError(f'{where}: {line!r} is there twice, expected it once')
            block = blocks.setdefault(line, [])
        elif line.strip():
            if block is None:
                raise InputError(
                    f'{where} is {printable(line)!r}, expected {QUERY!r} first; {REMEDY}'
                )
            block.append(line.rstrip('\r'))
    for name in (QUERY, PREDICTIONS):
        if name not in blocks:
            raise InputError(
                f'{printable(str(file))} has no line {name!r}: it is no file of predictions, or '
                f'was cut short; {REMEDY}'
            )
    if len(blocks[QUERY]) != 1:
        raise InputError(
            f'{printable(str(file))} names {len(blocks[QUERY])} queries, expected one path after '
            f'{QUERY!r}'
        )
    positives = blocks.get(POSITIVES)
    return Prediction(
        query=blocks[QUERY][0],
        predicted=tuple(blocks[PREDICTIONS]),
        positives=None if positives is None else tuple(positives),
    )


def write_predictions(path: str | Path, predictions: Sequence[Prediction]) -> Path:
    """Write the predictions of all queries as VPR-methods-evaluation does, without its pictures.

    Args:
        path: of a folder that does not exist, or has no `preds` in it.
        predictions: in the order of the queries.

    Returns:
        The folder with the files.

    Raises:
        InputError: a path has a line end in it, which the format cannot hold.
        StorageError: the folder cannot be written, or holds predictions already.
    """
    contents = [_content(each) for each in predictions]
    folder = Path(path) / FOLDER
    if os.path.lexists(folder):
        raise StorageError(
            f'{folder} exists already, and predictions of two runs must not be mixed; give '
            'another folder, or remove that one'
        )
    unfinished: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp('.partial', f'.{FOLDER}.', folder.parent))
        unfinished.chmod(0o777 & ~umask())
        for number, content in enumerate(contents):
            (unfinished / f'{number:03d}.txt').write_text(content, encoding='utf-8')
        unfinished.rename(folder)
        unfinished = None
    except OSError as error:
        raise StorageError(
            f'{folder} cannot be written: {error.strerror or error}; choose another folder or '
            'free space'
        ) from error
    finally:
        if unfinished is not None:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _content(prediction: Prediction) -> str:
    blocks = [(QUERY, (prediction.query,)), (PREDICTIONS, prediction.predicted)]
    if prediction.positives is not None:
        blocks.append((POSITIVES, prediction.positives))
    for line in (prediction.query, *prediction.predicted, *(prediction.positives or ())):
        if len(line.splitlines()) > 1:
            raise InputError(
                f'the path {printable(line)!r} has a line end in it, which predictions cannot '
                'hold; rename the file'
            )
    return '\n'.join(f'{name}\n' + '\n'.join(paths) + '\n' for name, paths in blocks)
