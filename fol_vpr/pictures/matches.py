"""A query beside a reference, with lines between the positions that match."""

from __future__ import annotations

import math

import cv2
import numpy as np

from fol_vpr.datatypes import PlaceHypothesis
from fol_vpr.pictures.images import beside, empty_image, fitted

# Most lines of matches that agree with the geometric verification, and of the others. More of
# them hide the images.
MAX_INLIERS, MAX_OTHERS = 80, 40
OTHERS = (185, 185, 185)
# Positions of lines are drawn in sixteenths of a pixel.
_SHIFT = 4
NO_IMAGE = 'the map does not store the image of this reference'


def pair_picture(
    query: np.ndarray,
    reference: np.ndarray | None,
    hypothesis: PlaceHypothesis,
    box: tuple[int, int],
    gap: int,
    *,
    query_size: tuple[int, int] | None = None,
) -> np.ndarray:
    """The query (left) and a reference (right), with the matches of a hypothesis between them.

    Matches that agree with the geometric verification are coloured by their height in the query,
    so that a line can be followed from one image to the other; others are faint.

    Args:
        query: [H, W, 3] uint8, RGB; may be painted.
        reference: likewise; None draws a grey area as large as the reference was.
        hypothesis: of the pair.
        box: most width and height of each image in pixels.
        gap: pixels between the images.
        query_size: width and height of the image that the positions in the query are of; None
            takes those of `query`.
    """
    left = fitted(query, *box)
    size = hypothesis.place.image_size
    if reference is None:
        scale = min(box[0] / size[0], box[1] / size[1])
        right = empty_image((round(size[0] * scale), round(size[1] * scale)), NO_IMAGE)
    else:
        right = fitted(reference, *box)
    canvas = np.ascontiguousarray(beside([left, right], gap))
    if hypothesis.query_xy is None or hypothesis.reference_xy is None:
        return canvas
    seen = query_size or (query.shape[1], query.shape[0])
    starts = _scaled(hypothesis.query_xy, seen, left)
    ends = _scaled(hypothesis.reference_xy, size, right)
    ends[:, 0] += left.shape[1] + gap
    inlier = hypothesis.inlier
    if inlier is None:
        inlier = np.zeros(len(starts), bool)
    thickness = max(1, round(canvas.shape[1] / 1000))
    others = _spread(starts, ~inlier, MAX_OTHERS)
    faint = canvas.copy()
    for row in others:
        _line(faint, starts[row], ends[row], OTHERS, 1)
    canvas = cv2.addWeighted(canvas, 0.55, faint, 0.45, 0)
    shown = _spread(starts, inlier, MAX_INLIERS)
    colours = _colours(starts[shown, 1])
    lines = canvas.copy()
    for row, colour in zip(shown, colours, strict=True):
        _line(lines, starts[row], ends[row], colour, thickness)
    canvas = cv2.addWeighted(canvas, 0.25, lines, 0.75, 0)
    for row, colour in zip(shown, colours, strict=True):
        for point in (starts[row], ends[row]):
            _dot(canvas, point, (20, 20, 20), 2 * thickness + 1)
            _dot(canvas, point, colour, 2 * thickness)
    return canvas


def matches_in_words(hypothesis: PlaceHypothesis) -> str:
    """What the lines of `pair_picture` show."""
    if hypothesis.query_xy is None:
        return 'The local matches of this pair were not verified, and none are drawn.'
    if not hypothesis.matches:
        return 'No local features of the two images match.'
    if hypothesis.inlier is None:
        return f'{hypothesis.matches} local matches, some of them drawn.'
    inliers, others = hypothesis.inliers, hypothesis.matches - hypothesis.inliers
    words = (
        f'Of {hypothesis.matches} local matches that were verified {inliers} agree with one '
        f'motion of the camera ({_drawn(inliers, MAX_INLIERS)}, in colour)'
    )
    if others:
        words += f'; the other {others} are faint ({_drawn(others, MAX_OTHERS)})'
    return f'{words}.'


def _drawn(count: int, most: int) -> str:
    return 'all drawn' if count <= most else f'{most} drawn'


def _scaled(xy: np.ndarray, size: tuple[int, int], image: np.ndarray) -> np.ndarray:
    """Positions [K, 2] of an image of a width and height as those of the drawn one."""
    scale = np.array([image.shape[1] / size[0], image.shape[0] / size[1]])
    scaled: np.ndarray = (xy + 0.5) * scale - 0.5
    return scaled


def _spread(xy: np.ndarray, among: np.ndarray, most: int) -> np.ndarray:
    """Rows of at most so many of the positions [K, 2], spread over the image.

    Each takes its turn in a cell of a grid, so that a dense part of the image does not get all
    lines.
    """
    rows = np.flatnonzero(among)
    if len(rows) <= most:
        return rows
    side = math.ceil(math.sqrt(most))
    points = xy[rows]
    low, extent = points.min(axis=0), np.maximum(np.ptp(points, axis=0), 1e-6)
    cells = np.minimum((points - low) / extent * side, side - 1).astype(int)
    cell = cells[:, 1] * side + cells[:, 0]
    # How many before it are in the same cell.
    order = np.argsort(cell, kind='stable')
    _, first, counts = np.unique(cell[order], return_index=True, return_counts=True)
    turn = np.empty(len(rows), int)
    turn[order] = np.arange(len(rows)) - np.repeat(first, counts)
    return np.sort(rows[np.argsort(turn, kind='stable')[:most]])


def _colours(heights: np.ndarray) -> list[tuple[int, int, int]]:
    """RGB of each line by the order of the heights."""
    if not len(heights):
        return []
    order = np.argsort(np.argsort(heights, kind='stable'))
    # Both ends of the scale are too dark to be seen on an image.
    levels = np.round(40 + 185 * order / max(len(order) - 1, 1)).astype(np.uint8)
    bgr = cv2.applyColorMap(levels[:, None], cv2.COLORMAP_TURBO)[:, 0]
    return [(int(r), int(g), int(b)) for b, g, r in bgr]


def _line(
    canvas: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    colour: tuple[int, int, int],
    thickness: int,
) -> None:
    cv2.line(canvas, _fixed(start), _fixed(end), colour, thickness, cv2.LINE_AA, _SHIFT)


def _dot(canvas: np.ndarray, point: np.ndarray, colour: tuple[int, int, int], radius: int) -> None:
    cv2.circle(canvas, _fixed(point), radius << _SHIFT, colour, -1, cv2.LINE_AA, _SHIFT)


def _fixed(point: np.ndarray) -> tuple[int, int]:
    x, y = np.round(point * (1 << _SHIFT)).astype(int).tolist()
    return x, y
