"""Pictures of answers and of the reliability of their probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from fol_vpr.errors import StorageError
from fol_vpr.evaluation.ground_truth import PlottedPositions
from fol_vpr.evaluation.outcomes import GREEN, ORANGE, Outcome, answers_by_outcome, outcome
from fol_vpr.evaluation.reliability import Bin, calibration_error
from fol_vpr.evaluation.report import UNTRAINED, Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LoadImage = Callable[[int], 'bytes | None']


def draw_evaluation(
    path: str | Path,
    evaluation: Evaluation,
    query_image: Callable[[int], np.ndarray | None],
    load: LoadImage,
    pairs: int = 4,
) -> None:
    """Draw the first hypothesis of every query, and a few pairs of query and reference.

    Hypotheses are drawn at the positions of queries and references if they are known, else over
    the numbers of both.

    Args:
        path: the picture to write; its suffix sets the format.
        evaluation: the answers and their ground truth.
        query_image: returns the RGB image of a query, [H, W, 3] uint8, or None.
        load: returns the JPEG of a reference, or None.
        pairs: number of pairs to draw.

    Raises:
        StorageError: the picture cannot be written.
    """
    shown = _spread(evaluation, pairs)
    sequence = evaluation.decisions() is not None
    figure = _figure(12, 6.5)
    conditions = evaluation.conditions
    title = f'{conditions.source}, answered from {conditions.map}'
    figure.suptitle(f'{title}\nright: {conditions.ground_truth}', fontsize=10)
    if not conditions.trained:
        figure.supxlabel(UNTRAINED, fontsize=7, color=ORANGE)
    grid = figure.add_gridspec(max(len(shown), 1), 3, width_ratios=[2, 1, 1])
    axis = figure.add_subplot(grid[:, 0])
    if evaluation.plotted is None:
        _scatter(axis, evaluation)
    else:
        _trajectory(axis, evaluation, evaluation.plotted)
    for row, index in enumerate(shown):
        answer = evaluation.answers[index]
        best = answer.ranking[0]
        result = outcome(answer, evaluation.positives[answer.index], sequence=sequence)
        left = figure.add_subplot(grid[row, 1])
        _show(left, query_image(answer.index), f'query {answer.index}', '')
        _show(
            figure.add_subplot(grid[row, 2]), _decoded(load(best)),
            f'reference {best}\n{result.words}', '', result.colour,
        )  # fmt: skip
    _save(figure, path)


def draw_reliability(
    path: str | Path, curves: Mapping[str, Sequence[Bin]], criterion: str = ''
) -> None:
    """Draw a reliability diagram: the frequency of right statements over their probability.

    Args:
        path: the picture to write; its suffix sets the format.
        curves: bins of each kind of statement, by its name.
        criterion: what counts as right, in words; empty shows none.

    Raises:
        StorageError: the picture cannot be written.
    """
    figure = _figure(4.2 * len(curves), 4.6)
    if criterion:
        figure.suptitle(f'right: {criterion}', fontsize=9)
    axes = figure.subplots(1, len(curves), squeeze=False)[0]
    for axis, (name, bins) in zip(axes, curves.items(), strict=True):
        most = max((each.count for each in bins), default=1)
        axis.plot([0, 1], [0, 1], color='#999999', lw=0.8, ls='--')
        for each in bins:
            size = 20 + 180 * each.count / most
            axis.scatter(each.said, each.right, s=size, color=GREEN, alpha=0.7)
            axis.annotate(f'{each.count}', (each.said, each.right), fontsize=6, ha='center')
        axis.set_title(f'{name}: error {calibration_error(bins):.3f}', fontsize=9)
        axis.set_xlabel('predicted probability')
        axis.set_ylabel('fraction right')
        axis.set_xlim(-0.05, 1.05)
        axis.set_ylim(-0.05, 1.05)
    _save(figure, path)


def _scatter(axis: Axes, evaluation: Evaluation) -> None:
    for query, positive in enumerate(evaluation.positives):
        if positive:
            axis.plot([query, query], [min(positive), max(positive)], color='#dddddd', zorder=1)
    for result, answers in answers_by_outcome(evaluation).items():
        points = np.array([(answer.index, answer.ranking[0]) for answer in answers])
        _points(axis, points, result)
    axis.locator_params(integer=True)
    axis.set_xlabel('query')
    axis.set_ylabel('first reference')
    axis.legend(loc='upper left', fontsize=8, title='grey: ground truth', title_fontsize=8)


def _trajectory(axis: Axes, evaluation: Evaluation, plotted: PlottedPositions) -> None:
    """Queries at their positions, in the colour of their outcome."""
    axis.plot(*plotted.references.T, '.', color='#cccccc', ms=3, label='references', zorder=1)
    for result, answers in answers_by_outcome(evaluation).items():
        if result.is_misplaced:
            for answer in answers:
                ends = plotted.queries[answer.index], plotted.references[answer.ranking[0]]
                faint = 0.7 if result.filled else 0.3
                axis.plot(*np.transpose(ends), color=ORANGE, lw=0.6, alpha=faint, zorder=2)
        _points(axis, plotted.queries[[answer.index for answer in answers]], result)
    axis.set_aspect('equal', 'datalim')
    axis.set_xlabel('x in metres')
    axis.set_ylabel('y in metres')
    axis.legend(loc='best', fontsize=8, title='lines: to the wrong reference', title_fontsize=8)


def _points(axis: Axes, points: np.ndarray, result: Outcome) -> None:
    """Points [N, 2] of one outcome; decided ones are drawn above undecided ones."""
    face = result.colour if result.filled else 'none'
    # A cross has no face.
    line = {'color': result.colour} if result.marker == 'x' else {'fc': face, 'ec': result.colour}
    axis.scatter(
        *points.T, s=22 if result.filled else 12, marker=result.marker, lw=0.9,
        label=f'{result.words} ({len(points)})', zorder=4 if result.filled else 3, **line,
    )  # fmt: skip


def _spread(evaluation: Evaluation, count: int) -> list[int]:
    """Positions in `answers`, evenly spaced over the drive, whether right or wrong."""
    answered = [i for i, answer in enumerate(evaluation.answers) if answer.ranking]
    if not answered:
        return []
    steps = np.linspace(0, len(answered) - 1, min(count, len(answered)) + 2)[1:-1]
    return [answered[i] for i in dict.fromkeys(steps.round().astype(int).tolist())]


def _figure(width: float, height: float) -> Figure:
    # pyplot would choose a window system and keep every figure in memory.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout='constrained')


def _show(
    axis: Axes, image: np.ndarray | None, title: str, caption: str, colour: str = 'black'
) -> None:
    if image is not None:
        axis.imshow(image)
    else:
        axis.text(0.5, 0.5, 'no image stored', ha='center', va='center')
    axis.set_title(title, fontsize=8, color=colour)
    axis.set_xlabel(caption, fontsize=7)
    axis.set_xticks([])
    axis.set_yticks([])


def _decoded(jpeg: bytes | None) -> np.ndarray | None:
    if jpeg is None:
        return None
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _save(figure: Figure, path: str | Path) -> None:
    try:
        figure.savefig(path, dpi=110)
    except (OSError, ValueError) as error:
        raise StorageError(
            f'the picture {path} cannot be written: {error}; give a folder that can be '
            'written, and a name that ends in .png, .jpg, .svg or .pdf'
        ) from error
