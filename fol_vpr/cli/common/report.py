"""The page that `fol_vpr evaluate --report` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fol_vpr.cli.common.console import Progress
from fol_vpr.cli.common.output import remark
from fol_vpr.cli.common.pictures import query_frames

if TYPE_CHECKING:
    import numpy as np

    from fol_vpr.evaluation.galleries import AnswerPainter
    from fol_vpr.evaluation.pictures import LoadImage
    from fol_vpr.evaluation.results import Result
    from fol_vpr.sources import FrameSource


def write_report(
    path: str, result: Result, source: FrameSource, load: LoadImage, painter: AnswerPainter
) -> None:
    """Write the page of an evaluation, with pictures of answers and the frames behind its marks.

    Args:
        path: of the page.
        result: of the evaluation.
        source: the queries.
        load: returns the JPEG of a reference, or None where the map stores none.
        painter: draws single answers.

    Raises:
        MapError: the map cannot be read any more.
        DeviceError: the device ran out of memory.
        StorageError: the page cannot be written.
    """
    from fol_vpr.reporting.evaluation import FrameImages, evaluation_page
    from fol_vpr.reporting.galleries import gallery_blocks

    query = query_frames(source)

    def query_image(index: int) -> np.ndarray | None:
        frame = query(index)
        return None if frame is None else frame.image

    with Progress('report', unit='pictures') as progress:
        galleries = gallery_blocks(result.evaluation, painter, progress=progress)
    page = evaluation_page(result, FrameImages(query_image, load), galleries)
    page.write(path)
    remark(f'report: {path}')
