"""Draws answers of an evaluation, with the matches of a few of them computed again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Frame, LocalFeatures, Place, PlaceHypothesis, Recognition
from fol_vpr.evaluation.galleries.choice import (
    Choice,
    choose,
    distance_to_reference,
    is_wrong,
    nearest_positive,
    outcome_of,
)
from fol_vpr.evaluation.metrics import first_hit
from fol_vpr.evaluation.offline import QueryAnswer
from fol_vpr.evaluation.outcomes import GREEN
from fol_vpr.evaluation.report import Evaluation
from fol_vpr.pictures import (
    NO_CALIBRATION,
    Truth,
    answer_picture,
    decoded,
    fitted,
    jpeg_of,
    pair_with_legend,
)

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer

QueryFrame = Callable[[int], 'Frame | None']
LoadImage = Callable[[int], 'bytes | None']

# Width and most bytes of the pictures of a page, which may hold two dozens, and their quality.
_PAIR_WIDTH, _PAIR_BYTES, _TRUTH_WIDTH, _TRUTH_BYTES, _QUALITY = 1200, 110_000, 480, 40_000, 74


@dataclass(frozen=True)
class GalleryItem:
    """An answer and its pictures.

    Attributes:
        answer: the answer.
        caption: the query, and whether the answer is right, in a sentence.
        right: whether it is; None where that cannot be said.
        facts: name and value of distances, scores and times.
        pair: JPEG of the query beside the first hypothesis, with matches and regions where they
            are known; None where the query can no longer be read.
        legend: what `pair` shows.
        truth: JPEG of the nearest right reference, where the answer is another one; else None.
        truth_caption: its name and distance.
    """

    answer: QueryAnswer
    caption: str
    right: bool | None
    facts: tuple[tuple[str, str], ...]
    pair: bytes | None = None
    legend: str = ''
    truth: bytes | None = None
    truth_caption: str = ''


@dataclass(frozen=True)
class Gallery:
    """Pictures of a choice of answers.

    Attributes:
        title, meaning, among: of the choice; see `Choice`.
        items: the most remarkable ones first.
    """

    title: str
    meaning: str
    among: int
    items: tuple[GalleryItem, ...]


class AnswerPainter:
    """Draws answers of an evaluation as `fol_vpr query --picture` draws one.

    Answers do not hold the positions of matches, so that a query is recognised once more, by
    itself, for its picture; state and probabilities are those of the answer.

    Args:
        evaluation: answers and ground truth.
        places: references of the map.
        query: returns a query by its index, or None where it cannot be read.
        load: returns the JPEG of a reference, or None where the map stores none.
        recognizer: with the map of the evaluation; None, as for recorded answers, draws no
            matches and no regions.
    """

    def __init__(
        self,
        evaluation: Evaluation,
        places: Sequence[Place],
        query: QueryFrame,
        load: LoadImage,
        recognizer: PlaceRecognizer | None = None,
    ) -> None:
        self._evaluation = evaluation
        self._places = places
        self._query = query
        self._load = load
        self._recognizer = recognizer
        if recognizer is not None and recognizer.config.verification.verify == 0:
            # Without a sequence, evaluate verifies no pair.
            wanted = VerificationConfig().verify
            verification = replace(recognizer.config.verification, verify=wanted)
            recognizer.set_config(replace(recognizer.config, verification=verification))

    def picture(self, answer: QueryAnswer, width: int = 1600) -> np.ndarray | None:
        """The picture of an answer, [H, width, 3] uint8 RGB; None if the query cannot be read.

        Raises:
            MapError: the map cannot be read any more.
            DeviceError: the device ran out of memory.
        """
        frame = self._query(answer.index)
        if frame is None:
            return None
        return answer_picture(
            frame.image,
            f'number {answer.index}, {answer.uri}',
            self._recognition(answer, frame),
            self._load,
            regions=None if self._recognizer is None else self._regions,
            truth=self.truth(answer),
            width=width,
            recorded=self._recognizer is None,
            no_probability=self._why_no_probability(),
        )

    def item(self, answer: QueryAnswer) -> GalleryItem:
        """The answer for a page; its two pictures have at most 150 kB together.

        Raises:
            MapError: the map cannot be read any more.
            DeviceError: the device ran out of memory.
        """
        truth = self.truth(answer)
        right = decoded(truth.jpeg)
        item = GalleryItem(
            answer,
            f'Query {answer.index}: {answer.state.name}, {truth.verdict}',
            truth.right,
            tuple(self._facts(answer)),
            truth=None if right is None else _small_jpeg(right),
            truth_caption=f'{truth.place_id}, {truth.caption}',
        )
        frame = self._query(answer.index)
        if frame is None:
            return item
        picture, legend = pair_with_legend(
            frame.image,
            self._recognition(answer, frame),
            self._load,
            regions=None if self._recognizer is None else self._regions,
            width=_PAIR_WIDTH,
            recorded=self._recognizer is None,
        )
        pair = jpeg_of(picture, _QUALITY, _PAIR_BYTES)
        return replace(item, pair=pair, legend=f'query and answer. {legend}')

    def verdict(self, answer: QueryAnswer) -> str:
        """The state, and whether it is right, in two or three words; for names of files."""
        right = self._is_right(answer)
        words = '' if right is None else 'right' if right else 'wrong'
        return f'{answer.state.name} {words}'.strip()

    def truth(self, answer: QueryAnswer) -> Truth:
        """What is known of the right answer."""
        evaluation = self._evaluation
        positive = evaluation.positives[answer.index]
        if positive is None:
            return Truth('where this query was taken is not known')
        right = self._is_right(answer)
        nearest = nearest_positive(evaluation, answer)
        first = answer.ranking[0] if answer.ranking else None
        away = '' if first is None else self._away(answer, first)
        if nearest is None:
            return Truth('the map does not have the place of this query', right)
        if first in positive:
            words = f'right{f", {away}" if away else ""}'
            return Truth(words if right else f'{words}, and yet NOT_IN_MAP', right)
        words = 'no hypothesis' if first is None else 'wrong place'
        place_id = self._places[nearest].place_id
        distance = self._away(answer, nearest)
        return Truth(
            f'{words}{f", {away}" if away else ""}',
            False,
            place_id,
            self._load(nearest),
            distance or 'position not known',
        )

    def _why_no_probability(self) -> str:
        conditions = self._evaluation.conditions
        if not conditions.calibrated:
            return NO_CALIBRATION
        return 'not recorded' if conditions.recording else 'each query was decided by itself'

    def _is_right(self, answer: QueryAnswer) -> bool | None:
        found = outcome_of(self._evaluation, answer)
        if found is None:
            return None
        return True if found.colour == GREEN else False if self._wrong(answer) else None

    def _wrong(self, answer: QueryAnswer) -> bool:
        return is_wrong(self._evaluation, answer)

    def _away(self, answer: QueryAnswer, reference: int) -> str:
        metres = distance_to_reference(self._evaluation, answer, reference)
        return '' if math.isnan(metres) else f'{metres:.1f} m from the query'

    def _facts(self, answer: QueryAnswer) -> Iterator[tuple[str, str]]:
        first = answer.ranking[0] if answer.ranking else None
        if first is not None:
            away = self._away(answer, first)
            yield 'answer', f'{self._places[first].place_id}{f", {away}" if away else ""}'
        positive = self._evaluation.positives[answer.index]
        if positive:
            yield 'rank of the first right reference', _ranks(answer, positive)
        if not math.isnan(answer.probability):
            yield 'probability', f'{answer.probability:.3f}'
        if not math.isnan(answer.p_not_in_map):
            yield 'not in the map', f'{answer.p_not_in_map:.3f}'
        if answer.explanation.reason:
            yield 'why', answer.explanation.reason
        if 'total' in answer.timings:
            yield 'time', f'{answer.timings["total"] * 1000:.0f} ms'

    def _regions(self, image: np.ndarray) -> LocalFeatures:
        assert self._recognizer is not None
        return self._recognizer.extract(Frame(image)).local

    def _recognition(self, answer: QueryAnswer, frame: Frame) -> Recognition:
        """The answer, with the matches of its hypotheses where they can be computed again."""
        again: dict[int, PlaceHypothesis] = {}
        if self._recognizer is not None:
            count = self._recognizer.config.retrieval.candidates
            found = self._recognizer.recognize(frame, sequence=False, hypotheses=count)
            again = {hypothesis.place.index: hypothesis for hypothesis in found.hypotheses}
        hypotheses = []
        for rank, index in enumerate(answer.ranking):
            bare = PlaceHypothesis(
                self._places[index],
                rank,
                answer.similarity_to(index),
                answer.match_score_of(index),
            )
            probability = answer.probability if rank == 0 else math.nan
            hypotheses.append(replace(again.get(index, bare), rank=rank, probability=probability))
        return Recognition(
            answer.stamp_ns,
            '',
            answer.state,
            tuple(hypotheses),
            p_not_in_map=answer.p_not_in_map,
            explanation=answer.explanation,
        )


def galleries(
    evaluation: Evaluation,
    painter: AnswerPainter,
    most: int = 6,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Gallery]:
    """The answers that tell most about an evaluation, each with its picture.

    Args:
        evaluation: answers and ground truth.
        painter: draws them.
        most: answers of each gallery.
        progress: called with the number of pictures done, of all pictures, and a note.

    Raises:
        MapError: the map cannot be read any more.
        DeviceError: the device ran out of memory.
    """
    choices = choose(evaluation, most)
    total = sum(len(choice.answers) for choice in choices)
    # The farthest mistakes and the most confident ones are often the same.
    drawn: dict[int, GalleryItem] = {}
    done = 0

    def items(choice: Choice) -> Iterator[GalleryItem]:
        nonlocal done
        for answer in choice.answers:
            if answer.index not in drawn:
                drawn[answer.index] = painter.item(answer)
            done += 1
            if progress is not None:
                progress(done, total, choice.title.lower())
            yield drawn[answer.index]

    return [
        Gallery(choice.title, choice.meaning, choice.among, tuple(items(choice)))
        for choice in choices
    ]


def _small_jpeg(image: np.ndarray) -> bytes:
    return jpeg_of(fitted(image, _TRUTH_WIDTH, _TRUTH_WIDTH), _QUALITY, _TRUTH_BYTES)


def _ranks(answer: QueryAnswer, positive: frozenset[int]) -> str:
    """Rank, counted from 1, of the first right reference, before and after re-ranking."""
    after = f'{_rank(answer.ranking, positive)} after re-ranking'
    if answer.global_ranking is None:
        return _rank(answer.ranking, positive)
    return f'{_rank(answer.global_ranking, positive)} before, {after}'


def _rank(ranking: Sequence[int], positive: frozenset[int]) -> str:
    found = first_hit(ranking, positive)
    return f'not among {len(ranking)}' if found is None else str(found + 1)
