"""Pictures of answers and of the reliability of their probabilities."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fol_vpr.datatypes import LocalizationState
from fol_vpr.errors import StorageError
from fol_vpr.evaluation.galleries.choice import distance_to_reference, is_wrong, outcome_of
from fol_vpr.evaluation.ground_truth import PlottedPositions
from fol_vpr.evaluation.offline import QueryAnswer
from fol_vpr.evaluation.outcomes import GREEN, ORANGE, Outcome, answers_by_outcome
from fol_vpr.evaluation.reliability import Bin, calibration_error
from fol_vpr.evaluation.report import UNTRAINED, Evaluation
from fol_vpr.files import atomic_bytes
from fol_vpr.pictures import decoded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of the picture of an evaluation, in inches, and the letters of a line below it.
_WIDTH, _HEIGHT = 12.0, 8.6
_LETTERS = 165
FAINT = '#555555'
# Share of the queries that lies at least between two mistakes that are shown.
_APART = 0.02

LoadImage = Callable[[int], 'bytes | None']


def draw_evaluation(
    path: str | Path,
    evaluation: Evaluation,
    query_image: Callable[[int], np.ndarray | None],
    load: LoadImage,
    pairs: int = 3,
) -> None:
    """Draw the first hypothesis of every query, and a few pairs of query and reference.

    Hypotheses are drawn at the positions of queries and references if they are known, else over
    the numbers of both. The pairs, numbered in the drawing, are mistakes, the gravest first, and
    a right answer, or several where there are fewer mistakes.

    Args:
        path: the picture to write; its suffix sets the format.
        evaluation: the answers and their ground truth.
        query_image: returns the RGB image of a query, [H, W, 3] uint8, or None.
        load: returns the JPEG of a reference, or None.
        pairs: number of pairs to draw.

    Raises:
        StorageError: the picture cannot be written.
    """
    shown = _telling(evaluation, pairs)
    figure = _figure(_WIDTH, _HEIGHT)
    figure.suptitle(_figures(evaluation), fontsize=14, fontweight='bold')
    conditions = evaluation.conditions
    below = f'{conditions.source}, answered from {conditions.map}'
    if evaluation.is_judged:
        below += f'; right: {conditions.ground_truth}'
    lines = textwrap.wrap(below, _LETTERS)
    if not conditions.trained:
        lines += textwrap.wrap(UNTRAINED, _LETTERS)
    colour = FAINT if conditions.trained else ORANGE
    figure.supxlabel('\n'.join(lines), fontsize=9, color=colour)
    # Apart, so that the room that the legend takes is not taken from the images.
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.5])
    axis = left.subplots()
    images = right.subplots(max(len(shown), 1), 2, squeeze=False)
    for empty in images.flat:
        empty.axis('off')
    if evaluation.plotted is None:
        _scatter(axis, evaluation)
    else:
        _trajectory(axis, evaluation, evaluation.plotted)
    for row, answer in enumerate(shown):
        result = outcome_of(evaluation, answer)
        assert result is not None
        number = f'{row + 1}'
        _number(axis, _place_of(evaluation, answer), number, result.colour)
        best = answer.ranking[0]
        _show(
            images[row, 0], query_image(answer.index),
            f'{number}  query {answer.index}: {_state(answer)}', '', weight='bold', size=10,
        )  # fmt: skip
        _show(
            images[row, 1], decoded(load(best)),
            ': '.join(filter(None, [f'reference {best}', _verdict(evaluation, answer)])), '',
            result.colour,
            weight='bold', size=10, framed=True,
        )  # fmt: skip
    save_figure(figure, path)


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
    save_figure(figure, path)


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
    _legend(axis, 'grey: ground truth' if evaluation.is_judged else '')


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
    _legend(axis, 'lines: to the wrong reference' if evaluation.is_judged else '')


def _points(axis: Axes, points: np.ndarray, result: Outcome) -> None:
    """Points [N, 2] of one outcome; decided ones are drawn above undecided ones."""
    face = result.colour if result.filled else 'none'
    # A cross has no face.
    line = {'color': result.colour} if result.marker == 'x' else {'fc': face, 'ec': result.colour}
    axis.scatter(
        *points.T, s=22 if result.filled else 12, marker=result.marker, lw=0.9,
        label=f'{result.words} ({len(points)})', zorder=4 if result.filled else 3, **line,
    )  # fmt: skip


def _legend(axis: Axes, title: str) -> None:
    """Below the axes, so that it hides nothing."""
    axis.legend(
        loc='upper center', bbox_to_anchor=(0.5, -0.075), ncols=2, fontsize=9, title=title,
        title_fontsize=9, frameon=False, columnspacing=1.2, handletextpad=0.4,
    )  # fmt: skip


def _figures(evaluation: Evaluation) -> str:
    """The figures that say most, in a line."""
    decisions, parts = evaluation.decisions(), []
    if decisions is not None:
        judged = decisions.localized_right + decisions.localized_wrong
        parts.append(
            f'LOCALIZED: {decisions.localized_right} right, {decisions.localized_wrong} wrong, of '
            f'{evaluation.queries} images'
            if judged
            else f'LOCALIZED: {decisions.localized_unjudged} of {evaluation.queries} images'
        )
        if outside := decisions.not_in_map_right + decisions.not_in_map_wrong:
            parts.append(f'NOT_IN_MAP: {decisions.not_in_map_right} right of {outside}')
    first = evaluation.recall_reranked()[1]
    if first is not None and first.total:
        low, high = first.interval()
        interval = f'95 % interval {low * 100:.1f} to {high * 100:.1f}'
        parts.append(f'Recall@1 {first.value * 100:.1f} % ({interval})')
    return '   |   '.join(parts) or f'{evaluation.queries} images'


def _state(answer: QueryAnswer) -> str:
    if math.isnan(answer.probability):
        return answer.state.name
    return f'{answer.state.name}, {answer.probability:.2f}'


def _verdict(evaluation: Evaluation, answer: QueryAnswer) -> str:
    """Whether the first hypothesis is right, and how far off it is; empty where not known."""
    positive = evaluation.positives[answer.index]
    if positive is None:
        return ''
    right = 'right' if answer.ranking[0] in positive else 'wrong'
    metres = distance_to_reference(evaluation, answer, answer.ranking[0])
    return right if math.isnan(metres) else f'{right}, {metres:.1f} m away'


def _place_of(evaluation: Evaluation, answer: QueryAnswer) -> np.ndarray:
    """Where an answer is drawn, [2]."""
    if evaluation.plotted is None:
        return np.array([answer.index, answer.ranking[0]], float)
    return np.asarray(evaluation.plotted.queries[answer.index])


def _number(axis: Axes, at: np.ndarray, number: str, colour: str) -> None:
    if np.isfinite(at).all():
        axis.annotate(
            number, at, xytext=(15, 15), textcoords='offset points', fontsize=10, color='white',
            fontweight='bold', ha='center', va='center', zorder=6,
            bbox={'boxstyle': 'circle,pad=0.25', 'fc': colour, 'ec': 'white'},
            arrowprops={'arrowstyle': '-', 'color': colour, 'lw': 1.2},
        )  # fmt: skip


def _telling(evaluation: Evaluation, count: int) -> list[QueryAnswer]:
    """Mistakes, decided and probable ones first and apart from each other, then right answers."""
    answered = [answer for answer in evaluation.answers if answer.ranking]
    wrong = [answer for answer in answered if is_wrong(evaluation, answer)]
    wrong.sort(key=lambda answer: _gravity(evaluation, answer), reverse=True)
    apart = max(1, round(evaluation.queries * _APART))
    chosen: list[QueryAnswer] = []
    for answer in wrong:
        if len(chosen) < count - 1 and all(abs(answer.index - c.index) >= apart for c in chosen):
            chosen.append(answer)
    right = [answer for answer in answered if not is_wrong(evaluation, answer)]
    decided = [a for a in right if a.state is LocalizationState.LOCALIZED] or right
    left = min(count - len(chosen), len(decided))
    steps = np.linspace(0, len(decided) - 1, left + 2)[1:-1] if left else np.zeros(0)
    return [*chosen, *(decided[i] for i in dict.fromkeys(steps.round().astype(int).tolist()))]


def _gravity(evaluation: Evaluation, answer: QueryAnswer) -> tuple[bool, float]:
    """How grave a mistake is: a decision is graver than a ranking, a probable one than others."""
    result = outcome_of(evaluation, answer)
    decided = result is not None and result.filled
    return decided, 0.0 if math.isnan(answer.probability) else answer.probability


def _figure(width: float, height: float) -> Figure:
    # pyplot would choose a window system and keep every figure in memory.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout='constrained')


def _show(
    axis: Axes,
    image: np.ndarray | None,
    title: str,
    caption: str,
    colour: str = 'black',
    *,
    weight: str = 'normal',
    size: int = 8,
    framed: bool = False,
) -> None:
    if image is not None:
        axis.imshow(image)
    else:
        axis.text(0.5, 0.5, 'no image stored', ha='center', va='center')
    axis.axis('on')
    axis.set_title(title, fontsize=size, color=colour, fontweight=weight)
    if framed:
        for side in axis.spines.values():
            side.set(edgecolor=colour, linewidth=3)
    axis.set_xlabel(caption, fontsize=7)
    axis.set_xticks([])
    axis.set_yticks([])


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a picture.

    Args:
        figure: of matplotlib.
        path: its suffix sets the format.

    Raises:
        StorageError: the picture cannot be written.
    """
    # Equal axes find their limits only when they are drawn. The layout is made before that, for
    # the labels of other limits: drawn once, it would cut off wider ones.
    figure.draw_without_rendering()
    path, picture = Path(path), io.BytesIO()
    try:
        figure.savefig(picture, dpi=110, format=path.suffix.removeprefix('.').lower() or None)
    except ValueError as error:
        raise StorageError(
            f'the picture {path} cannot be written: {error}; give a name that ends in .png, .jpg, '
            '.svg or .pdf'
        ) from error
    with atomic_bytes(path) as file:
        file.write(picture.getvalue())
