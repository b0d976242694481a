"""A picture of the loop closures of a drive: where they are, and the most dubious pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fol_vpr.evaluation.pictures import save_figure
from fol_vpr.reporting.loops.pairs import (
    GREEN,
    GREY,
    ORANGE,
    LoadImage,
    colouring,
    evidence_in_words,
    most_dubious,
    verdict,
)
from fol_vpr.reporting.loops.result import LoopsResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {'right': GREEN, 'wrong': ORANGE, '': GREY}
NAMES = {'right': 'right', 'wrong': 'wrong', '': 'not in the ground truth'}


def draw_closures(
    path: str | Path, result: LoopsResult, images: LoadImage, pairs: int = 3
) -> None:
    """Draw the closures within a drive, and the images of the most dubious ones.

    They are drawn over the track where the images have positions, else over the times of both
    ends. Without a ground truth the picture tells nothing of right and wrong.

    Args:
        path: the picture to write; its suffix sets the format.
        result: the closures.
        images: returns the images of a closure.
        pairs: number of closures whose images are shown.

    Raises:
        StorageError: the picture cannot be written.
    """
    # pyplot would choose a window system and keep every figure in memory.
    from matplotlib.figure import Figure

    shown = most_dubious(result, pairs)
    figure = Figure(figsize=(13 if shown else 7.5, 6.5), layout='constrained')
    figure.suptitle(_title(result), fontsize=10)
    grid = figure.add_gridspec(
        max(len(shown), 1), 3 if shown else 1, width_ratios=[2, 1, 1] if shown else [1]
    )
    axis = figure.add_subplot(grid[:, 0])
    _draw_track(figure, axis, result)
    for row, closure in enumerate(shown):
        seconds = [(s - result.stamps[0]) / 1e9 for s in _stamps(closure)]
        word = verdict(result, closure)
        titles = [f'image at {seconds[0]:.1f} s', f'place of {seconds[1]:.1f} s']
        if not result.is_within(closure):
            titles[1] = f'place of session {closure.session_to}'
        colour = COLOURS[word] if word else 'black'
        for column, (image, title) in enumerate(zip(images(closure), titles, strict=True), 1):
            axis = figure.add_subplot(grid[row, column])
            _show(axis, image, title, colour)
            if column == 1:
                text = evidence_in_words(closure)
                axis.set_xlabel(f'{word}: {text}' if word else text, fontsize=7, loc='left')
    save_figure(figure, path)


def _title(result: LoopsResult) -> str:
    title = f'{len(result.within)} loop closures within {result.source}'
    if result.truth is None:
        return title
    criteria = result.truth.criteria
    return (
        f'{title}\nright: within {criteria.distance:g} m and {criteria.angle:g} degrees '
        f'({result.criteria_from})'
    )


def _stamps(closure: object) -> tuple[int, int]:
    return closure.stamp_from_ns, closure.stamp_to_ns  # type: ignore[attr-defined]


def _draw_track(figure: Figure, axis: Axes, result: LoopsResult) -> None:
    """The drive in grey and its closures as lines between their ends."""
    from matplotlib.collections import LineCollection

    posed = np.isfinite(result.positions).all(axis=1).any()
    seconds = (np.asarray(result.stamps) - result.stamps[0]) / 1e9
    if posed:
        at = result.positions[:, :2]
        axis.plot(*at.T, '-', color='#bbbbbb', lw=1.2, zorder=1)
        axis.set_aspect('equal', 'datalim')
        axis.set_xlabel(f'x in metres ({result.positions_from})')
        axis.set_ylabel('y in metres')
        ends = [[at[result.row_of[s]] for s in _stamps(c)] for c in result.within]
    else:
        at = np.column_stack([seconds, seconds])
        axis.plot(seconds, seconds, '-', color='#bbbbbb', lw=1.2, zorder=1)
        axis.set_xlabel('image, seconds from the start')
        axis.set_ylabel('place, seconds from the start')
        rows = [[result.row_of[s] for s in _stamps(c)] for c in result.within]
        ends = [[(seconds[a], seconds[a]), (seconds[a], seconds[b])] for a, b in rows]
    if not ends:
        axis.set_title('no closure within the drive', fontsize=9)
        return
    how = colouring(result)
    lines = np.array(ends)
    if how.judged:
        words = [verdict(result, closure) for closure in result.within]
        for word, colour in COLOURS.items():
            own = lines[[each == word for each in words]]
            if len(own):
                label = f'{NAMES[word]} ({len(own)})'
                axis.add_collection(LineCollection(own, colors=colour, lw=1.4, zorder=2))
                axis.plot(*own[:, 1].T, 'o', color=colour, ms=4, label=label, zorder=3)
        # Below the axes, where it hides nothing of the track.
        axis.legend(loc='upper center', bbox_to_anchor=(0.5, -0.1), ncols=3, fontsize=8)
        return
    values = np.array([v for v, c in zip(how.values, result.closures, strict=True)
                       if result.is_within(c)])  # fmt: skip
    axis.add_collection(LineCollection(lines, array=values, cmap='viridis', lw=1.4, zorder=2))
    points = axis.scatter(*lines[:, 1].T, c=values, cmap='viridis', s=16, zorder=3)
    figure.colorbar(points, ax=axis, label=how.words, location='bottom', shrink=0.6)


def _show(axis: Axes, image: np.ndarray | None, title: str, colour: str) -> None:
    if image is not None:
        axis.imshow(image)
    else:
        axis.text(0.5, 0.5, 'no image', ha='center', va='center')
    axis.set_title(title, fontsize=8, color=colour)
    axis.set_xticks([])
    axis.set_yticks([])
