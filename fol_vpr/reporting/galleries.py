"""Galleries of a report: the answers of an evaluation that tell most about it."""

from __future__ import annotations

from collections.abc import Callable

from fol_vpr.evaluation.galleries import AnswerPainter, GalleryItem, galleries
from fol_vpr.evaluation.report import Evaluation
from fol_vpr.reporting import page


def gallery_blocks(
    evaluation: Evaluation,
    painter: AnswerPainter,
    most: int = 6,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[page.Gallery]:
    """The galleries of an evaluation as blocks of a page.

    Args:
        evaluation: answers and ground truth.
        painter: draws them; recognises each of their queries once more, where it can.
        most: answers of each gallery; their pictures take up to 150 kB each.
        progress: called with the number of answers done, of all answers, and a note.

    Raises:
        MapError: the map cannot be read any more.
        DeviceError: the device ran out of memory.
    """
    return [
        page.Gallery(
            gallery.title,
            f'{gallery.meaning} {_of(len(gallery.items), gallery.among)}',
            [_item(item) for item in gallery.items],
        )
        for gallery in galleries(evaluation, painter, most, progress)
    ]


def _of(shown: int, among: int) -> str:
    if shown == among:
        return 'All are shown.' if among > 1 else 'It is the only one.'
    return (
        f'{shown} of {among} are shown; images next to each other in a drive, which look alike, '
        'come last.'
    )


def _item(item: GalleryItem) -> page.GalleryItem:
    pictures = []
    if item.pair is not None:
        pictures.append(page.Picture(item.pair, item.legend, wide=True))
    if item.truth is not None:
        pictures.append(page.Picture(item.truth, f'a right reference: {item.truth_caption}'))
    tone = {True: 'right', False: 'wrong', None: 'undecided'}[item.right]
    return page.GalleryItem(item.caption, pictures, item.facts, tone)
