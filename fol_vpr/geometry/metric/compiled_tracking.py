"""Pyramidal Lucas-Kanade for single positions, on pyramids that are built once for each image.

The method is that of OpenCV's `calcOpticalFlowPyrLK` (Bouguet 2000): bilinear samples, derivatives
by Scharr, and the same rules for when to stop and what is lost. OpenCV computes with integers of
1/32 grey level in short vectors, and the processor is done sooner with long vectors of float32.
Positions differ by some thousandths of a pixel.
"""

from __future__ import annotations

import math

import numpy as np

from fol_vpr.compiled import compiled
from fol_vpr.geometry.metric.compiled_guesses import most_alike

# Side of the window in pixels, the middle of it, and how many pixels a row of a window takes here:
# those around it are needed for samples between pixels and for derivatives.
SIDE, HALF, STRIDE = 15, 7, 18
# Steps at a level, and the square of the length in pixels of a step that is the last one.
STEPS, SHORT = 20, 0.02**2
# Pixels: a step that undoes the last one but for this ends the search between both.
RETURN = 0.01
# Smallest eigenvalue of the normal matrix for each pixel, below which a position is lost.
MIN_EIGENVALUE = 1e-4
# What OpenCV's integers make of the square of a derivative.
SCALE = 1 / 1024


@compiled
def fetch(
    image: np.ndarray,
    level: np.ndarray,
    x: int,
    y: int,
    side: int,
    found: np.ndarray,
) -> bool:
    """Copy a square of a level of a pyramid; beyond its border the image is reflected.

    Args:
        image: uint8, the pyramid; see `track`.
        level: [3] where in it, height and width.
        x, y: of the upper left pixel.
        side: of the square.
        found: float32, to be written in rows of STRIDE.

    Returns:
        Whether the square is within the image.
    """
    start, height, width = level
    if x >= 0 and y >= 0 and x + side <= width and y + side <= height:
        for row in range(side):
            # An index that might be negative, counted from the end, would rule out vectors.
            line = np.uint64(start + (y + row) * width + x)
            for column in range(side):
                found[np.uint64(row * STRIDE + column)] = image[line + np.uint64(column)]
        return True
    for row in range(side):
        line = start + reflected(y + row, height) * width
        for column in range(side):
            found[row * STRIDE + column] = image[line + reflected(x + column, width)]
    return False


@compiled
def reflected(number: int, count: int) -> int:
    """The pixel of `count` ones that takes the place of one beyond the border."""
    number = abs(number)
    if number >= count:
        number = 2 * count - 2 - number
    return max(number, 0)


@compiled
def differentiate(
    level: np.ndarray,
    x: int,
    y: int,
    square: np.ndarray,
    sums: np.ndarray,
    differences: np.ndarray,
    by_x: np.ndarray,
    by_y: np.ndarray,
) -> None:
    """Scharr's derivatives, grey levels per pixel, of the inner pixels of a square of STRIDE.

    Args:
        level: [3] of `fetch`.
        x, y: of the upper left pixel of the square.
        square: float32 of `fetch`.
        sums, differences: float32 of any content, for what is computed on the way.
        by_x, by_y: float32 in rows of STRIDE, to be written; 0 beyond the border.
    """
    outer, inner = np.float32(3 / 32), np.float32(10 / 32)
    count = (SIDE + 1) * STRIDE
    for p in range(count + 2):
        above, below = square[p], square[p + 2 * STRIDE]
        sums[p] = outer * (above + below) + inner * square[p + STRIDE]
        differences[p] = below - above
    for p in range(count):
        by_x[p] = sums[p + 2] - sums[p]
    for p in range(count):
        sides = differences[p] + differences[p + 2]
        by_y[p] = outer * sides + inner * differences[p + 1]
    _, height, width = level
    if x < -1 or y < -1 or x + STRIDE > width + 1 or y + STRIDE > height + 1:
        for row in range(SIDE + 1):
            for column in range(SIDE + 1):
                inside = 0 <= x + 1 + column < width and 0 <= y + 1 + row < height
                if not inside:
                    by_x[row * STRIDE + column] = 0
                    by_y[row * STRIDE + column] = 0


@compiled
def sample(square: np.ndarray, x: np.float32, y: np.float32, found: np.ndarray) -> None:
    """Bilinear samples of a window.

    Args:
        square: float32 in rows of STRIDE, from the upper left pixel of the window.
        x, y: from there to the upper left sample, from 0 to 1.
        found: float32, to be written in rows of STRIDE.
    """
    one = np.float32(1)
    a, b, c, d = (one - x) * (one - y), x * (one - y), (one - x) * y, x * y
    for p in range(SIDE * STRIDE):
        found[p] = (
            a * square[p] + b * square[p + 1] + c * square[p + STRIDE] + d * square[p + STRIDE + 1]
        )


@compiled
def away_from(
    square: np.ndarray,
    x: np.float32,
    y: np.float32,
    window: np.ndarray,
    by_x: np.ndarray,
    by_y: np.ndarray,
) -> tuple[np.float32, np.float32]:
    """Sums of the difference between the samples of a window and another, times its derivatives.

    Args:
        square, x, y: of `sample`; the samples are not written, which takes a fifth of the time.
        window: [SIDE * STRIDE] float32, the other samples.
        by_x, by_y: [SIDE * STRIDE] float32, 0 beside the window.
    """
    one, along_x, along_y = np.float32(1), np.float32(0), np.float32(0)
    a, b, c, d = (one - x) * (one - y), x * (one - y), (one - x) * y, x * y
    for p in range(SIDE * STRIDE):
        seen = (
            a * square[p] + b * square[p + 1] + c * square[p + STRIDE] + d * square[p + STRIDE + 1]
        )
        away = seen - window[p]
        along_x += away * by_x[p]
        along_y += away * by_y[p]
    return along_x, along_y


@compiled
def track(
    one: np.ndarray,
    one_levels: np.ndarray,
    two: np.ndarray,
    two_levels: np.ndarray,
    start: np.ndarray,
    found: np.ndarray,
    tracked: np.ndarray,
) -> None:
    """Track K positions from one image to another.

    Args:
        one: uint8, all levels of a pyramid one after the other.
        one_levels: [L, 3] of each level the first of its pixels there, its height and width.
        two: of the other image.
        two_levels: [L, 3] likewise.
        start: [K, 2] float32 positions in `one`.
        found: [K, 2] float32 guesses in `two`, replaced by what was found.
        tracked: [K] bool, to be written: whether a position was found.
    """
    square, window = np.zeros(20 * STRIDE, np.float32), np.zeros(20 * STRIDE, np.float32)
    fine_x, fine_y = np.zeros(20 * STRIDE, np.float32), np.zeros(20 * STRIDE, np.float32)
    by_x, by_y = np.zeros(20 * STRIDE, np.float32), np.zeros(20 * STRIDE, np.float32)
    seen, inside = np.zeros(20 * STRIDE, np.float32), np.zeros(20 * STRIDE, np.float32)
    for row in range(SIDE):
        inside[row * STRIDE : row * STRIDE + SIDE] = 1
    for number in range(len(start)):
        tracked[number] = True
        x, y = np.float32(0), np.float32(0)
        for level in range(len(one_levels) - 1, -1, -1):
            last = level == 0
            shrunk = np.float32(1 / 2**level)
            if level == len(one_levels) - 1:
                x, y = found[number, 0] * shrunk, found[number, 1] * shrunk
            else:
                x, y = x * np.float32(2), y * np.float32(2)
            from_x = start[number, 0] * shrunk - np.float32(HALF)
            from_y = start[number, 1] * shrunk - np.float32(HALF)
            left, top = math.floor(from_x), math.floor(from_y)
            height, width = one_levels[level, 1], one_levels[level, 2]
            if left < -SIDE or left >= width or top < -SIDE or top >= height:
                tracked[number] &= not last
                continue
            fetch(one, one_levels[level], left - 1, top - 1, STRIDE, square)
            differentiate(
                one_levels[level], left - 1, top - 1, square, window, seen, fine_x, fine_y
            )
            part_x, part_y = from_x - np.float32(left), from_y - np.float32(top)
            sample(square[STRIDE + 1 :], part_x, part_y, window)
            sample(fine_x, part_x, part_y, by_x)
            sample(fine_y, part_x, part_y, by_y)
            xx = xy = yy = np.float32(0)
            for p in range(SIDE * STRIDE):
                # What lies beside the window does not count.
                by_x[p] *= inside[p]
                by_y[p] *= inside[p]
                xx += by_x[p] * by_x[p]
                xy += by_x[p] * by_y[p]
                yy += by_y[p] * by_y[p]
            a, b, c = xx * SCALE, xy * SCALE, yy * SCALE
            smallest = (a + c - math.sqrt((a - c) ** 2 + 4 * b * b)) / (2 * SIDE * SIDE)
            over = a * c - b * b
            if smallest < MIN_EIGENVALUE or over < 1.2e-7:
                tracked[number] &= not last
                continue
            x, y = x - np.float32(HALF), y - np.float32(HALF)
            last_x = last_y = 0.0
            height, width = two_levels[level, 1], two_levels[level, 2]
            at_x, at_y = -1000, -1000
            for step in range(STEPS):
                left, top = math.floor(x), math.floor(y)
                if left < -SIDE or left >= width or top < -SIDE or top >= height:
                    tracked[number] &= not last
                    break
                if left != at_x or top != at_y:
                    fetch(two, two_levels[level], left, top, SIDE + 1, square)
                    at_x, at_y = left, top
                along_x, along_y = away_from(
                    square, x - np.float32(left), y - np.float32(top), window, by_x, by_y
                )
                u, v = along_x * SCALE, along_y * SCALE
                move_x, move_y = (b * v - c * u) / over, (b * u - a * v) / over
                x, y = x + np.float32(move_x), y + np.float32(move_y)
                if move_x * move_x + move_y * move_y <= SHORT:
                    break
                if step and abs(move_x + last_x) < RETURN and abs(move_y + last_y) < RETURN:
                    x, y = x - np.float32(move_x / 2), y - np.float32(move_y / 2)
                    break
                last_x, last_y = move_x, move_y
            left, top = math.floor(x), math.floor(y)
            if last and (left < -SIDE or left >= width or top < -SIDE or top >= height):
                tracked[number] = False
            x, y = x + np.float32(HALF), y + np.float32(HALF)
        found[number, 0], found[number, 1] = x, y


@compiled
def there_and_back(
    one: np.ndarray,
    one_levels: np.ndarray,
    two: np.ndarray,
    two_levels: np.ndarray,
    start: np.ndarray,
    found: np.ndarray,
    tracked: np.ndarray,
    limit: float,
) -> None:
    """Track K positions from one image to another, and from there back again.

    Args:
        one: as of `track`; and likewise the others.
        one_levels: likewise.
        two: likewise.
        two_levels: likewise.
        start: likewise.
        found: likewise.
        tracked: [K] bool, to be written: whether a position was found within the other image, and
            led back to where it started.
        limit: pixels that it may end beside that.
    """
    track(one, one_levels, two, two_levels, start, found, tracked)
    height, width = two_levels[0, 1], two_levels[0, 2]
    count = 0
    for number in range(len(start)):
        x, y = found[number, 0], found[number, 1]
        tracked[number] &= x >= 0 and y >= 0 and x <= width - 1 and y <= height - 1
        count += tracked[number]
    there, back = np.empty((count, 2), np.float32), np.empty((count, 2), np.float32)
    returned = np.empty(count, np.bool_)
    row = 0
    for number in range(len(start)):
        if tracked[number]:
            there[row], back[row] = found[number], start[number]
            row += 1
    track(two, two_levels, one, one_levels, there, back, returned)
    row = 0
    for number in range(len(start)):
        if tracked[number]:
            x, y = back[row, 0] - start[number, 0], back[row, 1] - start[number, 1]
            tracked[number] = returned[row] and x * x + y * y <= limit * limit
            row += 1


@compiled
def track_guesses(
    one: np.ndarray,
    one_levels: np.ndarray,
    two: np.ndarray,
    two_levels: np.ndarray,
    start: np.ndarray,
    found: np.ndarray,
    tracked: np.ndarray,
    limit: float,
    one_coarse: np.ndarray,
    two_coarse: np.ndarray,
    one_factors: np.ndarray,
    two_factors: np.ndarray,
    guesses: np.ndarray,
    reach: int,
) -> None:
    """Track K positions there and back, each from that of its guesses that looks most like it.

    Args:
        one: as of `there_and_back`; and likewise the others up to `limit`.
        one_levels: likewise.
        two: likewise.
        two_levels: likewise.
        start: likewise.
        found: [K, 2] float32, to be written.
        tracked: likewise; False where the guess is not finite.
        limit: likewise.
        one_coarse: as `one` of `most_alike`; and likewise the others.
        two_coarse: likewise.
        one_factors: likewise.
        two_factors: likewise.
        guesses: likewise.
        reach: likewise.
    """
    width, height = two_levels[0, 2], two_levels[0, 1]
    best = np.zeros(len(start), np.int64)
    if guesses.shape[1] > 1:
        best = most_alike(
            one_coarse, two_coarse, one_factors, two_factors, start, guesses, width, height, reach
        )
    rows, count = np.empty(len(start), np.int64), 0
    for k in range(len(start)):
        found[k] = guesses[k, best[k]]
        tracked[k] = False
        if math.isfinite(found[k, 0]) and math.isfinite(found[k, 1]):
            rows[count] = k
            count += 1
    rows = rows[:count]
    first, second, returned = start[rows], found[rows], np.empty(count, np.bool_)
    there_and_back(one, one_levels, two, two_levels, first, second, returned, limit)
    for row in range(count):
        found[rows[row]], tracked[rows[row]] = second[row], returned[row]


@compiled
def nearest(xy: np.ndarray, known: np.ndarray) -> np.ndarray:
    """[K] for each position [K, 2] the row of the nearest of those [N, 2], N at least 1."""
    found, distances = np.empty(len(xy), np.int64), np.empty(len(known))
    for k in range(len(xy)):
        x, y = xy[k, 0], xy[k, 1]
        least = np.inf
        for row in range(len(known)):
            right, down = known[row, 0] - x, known[row, 1] - y
            distances[row] = right * right + down * down
            least = min(least, distances[row])
        row = 0
        while row < len(known) - 1 and distances[row] != least:
            row += 1
        found[k] = row
    return found


def compile_all() -> None:
    """Compile what is above."""
    image, levels = np.zeros(400, np.uint8), np.array([[0, 20, 20]])
    xy = np.full((1, 2), 9, np.float32)
    there_and_back(image, levels, image, levels, xy, xy.copy(), np.zeros(1, bool), 0.7)
    coarse, factors = np.zeros((5, 5), np.float32), np.ones(2, np.float32)
    track_guesses(
        image, levels, image, levels, xy, xy.copy(), np.zeros(1, bool), 0.7, coarse, coarse,
        factors, factors, xy[:, None].copy(), 3,
    )  # fmt: skip
    nearest(np.zeros((1, 2)), np.zeros((1, 2)))
