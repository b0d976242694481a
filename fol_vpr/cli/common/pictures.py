"""Options and files of pictures of answers."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fol_vpr.cli.common.console import Progress, check_writable
from fol_vpr.cli.common.output import remark
from fol_vpr.errors import InputError, StorageError

if TYPE_CHECKING:
    from fol_vpr.datatypes import Frame
    from fol_vpr.evaluation.galleries import AnswerPainter
    from fol_vpr.evaluation.report import Evaluation
    from fol_vpr.sources import FrameSource

# As `galleries.KINDS`, which --help must not import: that takes the libraries of pictures.
KINDS = ('wrong', 'localized', 'undecided', 'all')


def check_picture(path: str) -> None:
    """Check that a picture can be written, before minutes of work.

    Raises:
        StorageError: the folder cannot be written, or the suffix is of no known format.
    """
    from fol_vpr.pictures import check_suffix

    check_suffix(path)
    check_writable(path)


def add_picture_options(parser: argparse._ActionsContainer) -> None:
    """Add --pictures and --pictures-of."""
    parser.add_argument(
        '--pictures',
        metavar='DIR',
        help='folder, made where it is missing, that gets a picture of each answer as `fol_vpr '
        'query --picture` draws it, 200 kB each; those of --recording show no matches',
    )
    parser.add_argument(
        '--pictures-of',
        choices=KINDS,
        help='which answers --pictures draws: wrong ones, LOCALIZED ones, undecided ones, or all. '
        'Default: wrong; all without a ground truth.',
    )


def check_picture_options(args: argparse.Namespace) -> None:
    """Check the options, and make the folder, before minutes of work.

    Raises:
        InputError: options that do not go together.
        StorageError: the folder cannot be made.
    """
    if args.pictures is None:
        if args.pictures_of is not None:
            raise InputError('--pictures-of needs --pictures DIR')
        return
    if args.without_ground_truth and args.pictures_of == 'wrong':
        raise InputError(
            '--pictures-of wrong needs a ground truth; take localized, undecided or all'
        )
    try:
        Path(args.pictures).mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(
            f'the folder {args.pictures} of --pictures cannot be made: {error.strerror}; give one '
            'whose parent folder exists and can be written'
        ) from error


def query_frames(source: FrameSource) -> Callable[[int], Frame | None]:
    """Reads single queries again, by their index; None for those that cannot be read."""

    def query(index: int) -> Frame | None:
        frames = source.frames(index, lambda _position, _error: None, index + 1)
        return next((frame for _, frame in frames), None)

    return query


def write_pictures(
    args: argparse.Namespace, evaluation: Evaluation, painter: AnswerPainter
) -> None:
    """Write the pictures that --pictures and --pictures-of ask for.

    Raises:
        StorageError: one cannot be written.
    """
    from fol_vpr.evaluation.galleries import answers_of_kind
    from fol_vpr.pictures import write_picture

    kind = args.pictures_of or ('all' if args.without_ground_truth else 'wrong')
    answers = answers_of_kind(evaluation, kind)
    folder, written = Path(args.pictures), 0
    with Progress('pictures', unit='pictures') as progress:
        for number, answer in enumerate(answers):
            picture = painter.picture(answer)
            if picture is not None:
                name = f'query_{answer.index:06d}_{_slug(painter.verdict(answer))}.jpg'
                write_picture(folder / name, picture)
                written += 1
            progress(number + 1, len(answers), '')
    remark(f'pictures: {written} of {kind} answers in {folder}')


def _slug(words: str) -> str:
    return re.sub(r'[^a-z]+', '_', words.lower()).strip('_')
