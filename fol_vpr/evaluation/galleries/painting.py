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
from fol_vpr.evaluation.offline import QueryAnswer
from fol_vpr.evaluation.outcomes import GREEN
from fol_vpr.evaluation.report import Evaluation
from fol_vpr.pictures import Truth, answer_picture, jpeg_of

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer

QueryFrame = Callable[[int], 'Frame | None']
LoadImage = Callable[[int], 'bytes | None']

# Width, most bytes and quality of the pictures of a page, which may hold two dozens.
PAGE_WIDTH, PAGE_BYTES, PAGE_QUALITY = 1200, 110_000, 72


@dataclass(frozen=True)
class GalleryItem:
    """An answer and its picture.

    Attributes:
        answer: the answer.
        caption: the query, and whether the answer is right, in a sentence.
        facts: name and value of distances, scores and times.
        jpeg: the picture; None where the query can no longer be read.
    """

    answer: QueryAnswer
    caption: str
    facts: tuple[tuple[str, str], ...]
    jpeg: bytes | None


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
        recognizer = self._recognizer
        found: Recognition | None = None
        if recognizer is not None:
            found = recognizer.recognize(
                frame, sequence=False, hypotheses=recognizer.config.retrieval.candidates
            )
        return answer_picture(
            frame.image,
            f'number {answer.index}, {answer.uri}',
            self._recognition(answer, found),
            self._load,
            regions=None if recognizer is None else self._regions,
            truth=self.truth(answer),
            width=width,
            recorded=recognizer is None,
        )

    def item(self, answer: QueryAnswer) -> GalleryItem:
        """The answer for a page, its picture at most 110 kB large.

        Raises:
            MapError: the map cannot be read any more.
            DeviceError: the device ran out of memory.
        """
        picture = self.picture(answer, PAGE_WIDTH)
        jpeg = None if picture is None else jpeg_of(picture, PAGE_QUALITY, PAGE_BYTES)
        caption = f'Query {answer.index}: {answer.state.name}, {self.truth(answer).verdict}'
        return GalleryItem(answer, caption, tuple(self._facts(answer)), jpeg)

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
            yield 'answer', self._places[first].place_id
            if away := self._away(answer, first):
                yield 'distance of the answer', away
        nearest = nearest_positive(self._evaluation, answer)
        if nearest is not None:
            yield 'nearest right reference', self._places[nearest].place_id
            if away := self._away(answer, nearest):
                yield 'its distance', away
            for name, ranking in (('before', answer.global_ranking), ('after', answer.ranking)):
                if ranking is not None:
                    yield f'its rank {name} re-ranking', _rank(ranking, nearest)
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

    def _recognition(self, answer: QueryAnswer, found: Recognition | None) -> Recognition:
        """The answer with what was found again of its hypotheses."""
        again = {} if found is None else {h.place.index: h for h in found.hypotheses}
        similarities = dict(zip(answer.global_ranking or (), answer.similarities, strict=False))
        scores = dict(zip(answer.ranking, answer.match_scores, strict=False))
        hypotheses = []
        for rank, index in enumerate(answer.ranking):
            bare = PlaceHypothesis(
                self._places[index],
                rank,
                similarities.get(index, math.nan),
                scores.get(index, math.nan),
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


def _rank(ranking: Sequence[int], reference: int) -> str:
    """Rank of a reference, counted from 1."""
    if reference in ranking:
        return str(ranking.index(reference) + 1)
    return f'not among the first {len(ranking)}'
