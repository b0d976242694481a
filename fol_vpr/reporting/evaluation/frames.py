"""The frames behind the marks of a trajectory: which ones a page shows, small."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from fol_vpr.errors import FolVprError
from fol_vpr.evaluation.galleries.choice import distance_to_reference, nearest_positive
from fol_vpr.evaluation.offline import QueryAnswer
from fol_vpr.evaluation.outcomes import Outcome, outcome
from fol_vpr.evaluation.report import Evaluation
from fol_vpr.evaluation.results import Result
from fol_vpr.reporting.page import Details, Picture

QUERIES = 300
"""Most queries, evenly spaced, whose frames a page shows."""
MISTAKES = 150
"""Most mistakes whose frames a page shows besides."""
WIDTH = 224
"""Pixels of the longer side of a frame on a page: about 6 kB each."""
QUALITY = 68


@dataclass
class FrameImages:
    """Where the images of queries and references come from.

    Attributes:
        query: the RGB image of a query by its index, [H, W, 3] uint8, or None.
        reference: JPEG of a reference by its `Place.index`, or None.
    """

    query: Callable[[int], np.ndarray | None]
    reference: Callable[[int], bytes | None]
    _small: dict[tuple[str, int], bytes | None] = field(default_factory=dict, repr=False)

    def small(self, kind: str, index: int) -> bytes | None:
        """JPEG of a frame, small; None where it cannot be had.

        Args:
            kind: `query` or `reference`.
            index: of the query or of the reference.
        """
        key = kind, index
        if key not in self._small:
            self._small[key] = _small_jpeg(self._image(kind, index))
        return self._small[key]

    def _image(self, kind: str, index: int) -> np.ndarray | None:
        try:
            if kind == 'query':
                rgb = self.query(index)
                return None if rgb is None else np.ascontiguousarray(rgb[..., ::-1])
            jpeg = self.reference(index)
        except FolVprError:
            # An image that cannot be read any more was reported when it was evaluated.
            return None
        if jpeg is None:
            return None
        return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def _small_jpeg(image: np.ndarray | None) -> bytes | None:
    if image is None:
        return None
    scale = WIDTH / max(image.shape[:2])
    if scale < 1:
        size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    written, jpeg = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return jpeg.tobytes() if written else None


def shown_queries(result: Result) -> tuple[list[int], int]:
    """Queries whose frames a page shows, and the number of mistakes that are left out."""
    evaluation = result.evaluation
    sequence = evaluation.decisions() is not None
    wrong = [
        answer.index
        for answer in evaluation.answers
        if answer.ranking
        and is_mistake(outcome(answer, evaluation.positives[answer.index], sequence=sequence))
    ]
    spread = np.linspace(0, evaluation.queries - 1, min(QUERIES, evaluation.queries))
    some = np.linspace(0, max(len(wrong) - 1, 0), min(MISTAKES, len(wrong))).round().astype(int)
    chosen = {*spread.round().astype(int).tolist(), *(wrong[place] for place in some)}
    return sorted(chosen), len(set(wrong) - chosen)


def is_mistake(found: Outcome) -> bool:
    """Whether an outcome is wrong."""
    return found.is_misplaced or found is Outcome.NOT_IN_MAP_WRONG


def frame_details(result: Result, images: FrameImages | None) -> dict[str, Details]:
    """What a click on the mark of a query shows, by the number of the query."""
    evaluation = result.evaluation
    answers = {answer.index: answer for answer in evaluation.answers}
    names = result.references.place_ids
    found = {}
    for index in shown_queries(result)[0]:
        answer, positive = answers.get(index), evaluation.positives[index]
        if answer is None:
            found[str(index)] = Details(f'Query {index}: not answered')
            continue
        wanted = [('query', index, f'query {index}')]
        if answer.ranking:
            best = answer.ranking[0]
            wanted.append(
                ('reference', best, f'answer {names[best]}{_apart(evaluation, answer, best)}')
            )
            if positive and best not in positive:
                true = nearest_positive(evaluation, answer)
                assert true is not None
                words = f'right reference {names[true]}{_apart(evaluation, answer, true)}'
                wanted.append(('reference', true, words))
        small = [] if images is None else [(images.small(k, i), words) for k, i, words in wanted]
        pictures = [Picture(jpeg, words) for jpeg, words in small if jpeg is not None]
        facts = [('State', answer.state.name), ('Why', answer.explanation.reason)]
        if not math.isnan(answer.probability):
            facts.append(('Probability', f'{answer.probability:.3f}'))
        if answer.similarities:
            facts.append(('Largest similarity', f'{answer.similarities[0]:.3f}'))
        if answer.match_scores and not math.isnan(answer.match_scores[0]):
            facts.append(('Local matches', f'{answer.match_scores[0]:g}'))
        if 'total' in answer.timings:
            facts.append(('Time', f'{answer.timings["total"] * 1000:.0f} ms'))
        title = ', '.join(words for _, _, words in wanted)
        title = title[:1].upper() + title[1:]
        found[str(index)] = Details(title, pictures, [fact for fact in facts if fact[1]])
    return found


def _apart(evaluation: Evaluation, answer: QueryAnswer, reference: int) -> str:
    metres = distance_to_reference(evaluation, answer, reference)
    return '' if math.isnan(metres) else f' ({metres:.1f} m away)'
