"""The debug image: the query beside the best reference, with their local matches."""

from __future__ import annotations

import math

import cv2
import numpy as np

from fol_vpr.datatypes import Frame, PlaceHypothesis, Recognition
from fol_vpr.errors import InputError
from fol_vpr.sources import decode_bytes

JPEG_QUALITY = 80
# At most so many matches are drawn.
MAX_LINES = 150
LINE_COLOUR, TEXT_COLOUR, BAR_COLOUR = (90, 220, 90), (255, 255, 255), (30, 30, 30)
BAR_HEIGHT = 44


def render_match(
    frame: Frame, recognition: Recognition, reference_jpeg: bytes | None, height: int
) -> bytes:
    """JPEG of the query (left), the best reference (right), their local matches and scores.

    Args:
        frame: the query.
        recognition: the answer to it.
        reference_jpeg: image of the best reference, None if the map stores none.
        height: of both images in pixels.

    Raises:
        InputError: the image is too large for JPEG.
    """
    best = recognition.hypotheses[0] if recognition.hypotheses else None
    left, left_scale = _scaled(frame.image, height)
    reference = None if reference_jpeg is None else decode_bytes(reference_jpeg, 'reference')
    if reference is None:
        right, right_scale = np.full_like(left, 60), 0.0
    else:
        right, right_scale = _scaled(reference, height)
    canvas = np.ascontiguousarray(np.hstack([left, right]))
    if best is not None and best.query_xy is not None and right_scale:
        # Positions are in pixels of the original reference; the map may store a smaller image.
        to_stored = reference.shape[1] / best.place.image_size[0] if reference is not None else 1.0
        _draw_matches(canvas, best, left_scale, right_scale * to_stored, left.shape[1])
    return _encode(np.vstack([canvas, _caption(canvas.shape[1], recognition, best)]))


def _scaled(image: np.ndarray, height: int) -> tuple[np.ndarray, float]:
    scale = height / image.shape[0]
    width = max(1, round(image.shape[1] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=method), scale


def _draw_matches(
    canvas: np.ndarray, best: PlaceHypothesis, left: float, right: float, offset: int
) -> None:
    assert best.query_xy is not None and best.reference_xy is not None
    step = max(1, math.ceil(len(best.query_xy) / MAX_LINES))
    for query, reference in zip(best.query_xy[::step], best.reference_xy[::step], strict=True):
        start = tuple(int(v) for v in np.round(query * left))
        end = tuple(int(v) for v in np.round(reference * right + (offset, 0)))
        cv2.line(canvas, start, end, LINE_COLOUR, 1, cv2.LINE_AA)


def _caption(width: int, recognition: Recognition, best: PlaceHypothesis | None) -> np.ndarray:
    bar = np.full((BAR_HEIGHT, width, 3), BAR_COLOUR, np.uint8)
    if best is None:
        lines = [recognition.state.name, 'no hypothesis']
    else:
        lines = [
            f'{recognition.state.name}  {best.place.place_id}',
            f'similarity {best.similarity:.3f}  matches {best.match_score:g}  '
            f'inliers {best.inliers}',
        ]
    for row, text in enumerate(lines):
        place = (8, 18 + 18 * row)
        cv2.putText(bar, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, TEXT_COLOUR, 1, cv2.LINE_AA)
    return bar


def _encode(rgb: np.ndarray) -> bytes:
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise InputError(f'an image of {rgb.shape[1]}x{rgb.shape[0]} pixels gives no JPEG')
    return data.tobytes()
