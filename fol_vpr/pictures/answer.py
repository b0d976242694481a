"""The answer to a query as one picture: state, both images with their matches, the rest below."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from fol_vpr.datatypes import (
    LocalFeatures,
    LocalizationState,
    PlaceHypothesis,
    Recognition,
    Verification,
)
from fol_vpr.pictures.images import below, beside, decoded, empty_image, fitted, with_margin
from fol_vpr.pictures.matches import NO_IMAGE, matches_in_words, pair_picture
from fol_vpr.pictures.regions import Regions, regions_of, with_regions
from fol_vpr.pictures.text import FAINT_INK, INK, RGB, Text, font, name_within, text_block

LoadImage = Callable[[int], 'bytes | None']
LoadRegions = Callable[[np.ndarray], LocalFeatures]

STATE_COLOURS: dict[LocalizationState, RGB] = {
    LocalizationState.LOCALIZED: (27, 158, 80),
    LocalizationState.AMBIGUOUS: (235, 115, 25),
    LocalizationState.UNKNOWN: (235, 190, 40),
    LocalizationState.NOT_IN_MAP: (120, 124, 130),
}
NO_CALIBRATION = 'the map has no calibration'
WHITE: RGB = (255, 255, 255)
WRONG: RGB = (190, 70, 0)
RIGHT: RGB = (20, 120, 65)
MARGIN, GAP = 24, 16
_SMALL_GAP = 4
# Width of an image of which only the height is given.
_NO_LIMIT = 1 << 20
# Height of an image in relation to its width, at most.
_TALLEST = 1.1


@dataclass(frozen=True)
class Truth:
    """What is known of the right answer.

    Attributes:
        verdict: such as `wrong: 41 m from the nearest right reference`.
        right: whether the answer is right; None where that cannot be said.
        place_id: of the nearest right reference; empty where there is none.
        jpeg: its image, or None.
        caption: below it.
    """

    verdict: str
    right: bool | None = None
    place_id: str = ''
    jpeg: bytes | None = None
    caption: str = ''


def answer_picture(
    query: np.ndarray,
    name: str,
    recognition: Recognition,
    load: LoadImage,
    *,
    regions: LoadRegions | None = None,
    truth: Truth | None = None,
    others: int = 4,
    width: int = 1600,
    recorded: bool = False,
    no_probability: str = NO_CALIBRATION,
) -> np.ndarray:
    """Draw the answer to a query.

    Above: the state with its probability, why, and what would help. Then the query and the best
    reference with their matches, and smaller ones of the further hypotheses below.

    Args:
        query: [H, W, 3] uint8, RGB.
        name: of the query, for people.
        recognition: the answer.
        load: returns the JPEG of a reference, or None where the map stores none.
        regions: returns the local features of an image, whose regions are then drawn brighter than
            the rest; None draws no regions.
        truth: the right answer, where it is known.
        others: number of further hypotheses.
        width: of the picture in pixels.
        recorded: whether the answer was read from a recording, which holds no matches.
        no_probability: why the answer has no probability, where it has none.

    Returns:
        [H, width, 3] uint8, RGB.
    """
    inner = width - 2 * MARGIN
    parts = [text_block(inner, _header(recognition, truth, no_probability))]
    best = recognition.hypotheses[0] if recognition.hypotheses else None
    shown = _painted(query, (inner - GAP) // 2, regions)
    parts.append(_pair(query, shown, name, best, load, regions, inner, recorded))
    legend = _legend(best, shown, recorded)
    parts.append(text_block(inner, [Text(legend, 17, colour=FAINT_INK)]))
    small = [
        _small(decoded(load(each.place.index)), each, _small_width(inner, others), recorded)
        for each in recognition.hypotheses[1 : 1 + others]
    ]
    if truth is not None and truth.place_id:
        small.insert(0, _true_reference(truth, _small_width(inner, others)))
        small = small[:others]
    if small:
        parts.append(beside(small, GAP))
    return with_margin(below(parts, GAP), MARGIN)


def probability_in_words(recognition: Recognition, no_probability: str = NO_CALIBRATION) -> str:
    """Probabilities of the answer, or why there are none."""
    best = recognition.hypotheses[0] if recognition.hypotheses else None
    words = []
    if best is not None and not math.isnan(best.probability):
        words.append(f'first place right with probability {best.probability:.3f}')
    if not math.isnan(recognition.p_not_in_map):
        words.append(f'not in the map with probability {recognition.p_not_in_map:.3f}')
    if words:
        return ', '.join(words)
    if best is None:
        return 'no hypothesis'
    return f'no probability: {no_probability}'


def evidence_in_words(hypothesis: PlaceHypothesis, *, recorded: bool = False) -> list[str]:
    """Scores of a hypothesis, a line each; what was not measured is said.

    Args:
        hypothesis: with its scores.
        recorded: whether it was read from a recording, which does not tell about the verification.
    """
    scores = []
    if not math.isnan(hypothesis.probability):
        scores.append(f'probability {hypothesis.probability:.3f}')
    if not math.isnan(hypothesis.similarity):
        scores.append(f'similarity {hypothesis.similarity:.3f}')
    elif recorded:
        scores.append('similarity not recorded')
    checks = [_matched(hypothesis)]
    if not recorded:
        checks.append(_verified(hypothesis))
    return [', '.join(line) for line in (scores, checks) if line]


def _matched(hypothesis: PlaceHypothesis) -> str:
    if math.isnan(hypothesis.match_score):
        return 'not re-ranked'
    return f'{hypothesis.match_score:.0f} matches'


def _verified(hypothesis: PlaceHypothesis) -> str:
    if hypothesis.verification is Verification.NONE and hypothesis.query_xy is None:
        return 'not verified'
    passed = hypothesis.verification is Verification.GEOMETRY
    return f'{hypothesis.inliers} inliers ({"verified" if passed else "verification not passed"})'


def _header(recognition: Recognition, truth: Truth | None, no_probability: str) -> list[Text]:
    texts = [
        _state(recognition.state, 30),
        Text(_sentence(probability_in_words(recognition, no_probability)), 21),
    ]
    if truth is not None:
        colour = {None: FAINT_INK, True: RIGHT, False: WRONG}[truth.right]
        texts.insert(1, Text(_sentence(truth.verdict), 23, True, colour))
    explanation = recognition.explanation
    if explanation.reason:
        texts.append(Text(f'Why: {explanation.reason}', 19))
    if explanation.remedy:
        texts.append(Text(f'What helps: {explanation.remedy}', 19))
    if recognition.quality_reason:
        quality = f'{recognition.image_quality:.2f}: {recognition.quality_reason}'
        texts.append(Text(f'Image quality {quality}', 19))
    return texts


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


@dataclass(frozen=True, eq=False)
class _Shown:
    """An image as it is drawn, and its regions where they are drawn."""

    image: np.ndarray
    regions: Regions | None = None


def _painted(image: np.ndarray, side: int, load: LoadRegions | None) -> _Shown:
    shown = fitted(image, side, round(side * _TALLEST))
    if load is None:
        return _Shown(shown)
    found = regions_of(load(image), (image.shape[1], image.shape[0]), shown.shape[:2])
    return _Shown(with_regions(shown, found), found)


def _pair(
    query: np.ndarray,
    ours: _Shown,
    name: str,
    best: PlaceHypothesis | None,
    load: LoadImage,
    regions: LoadRegions | None,
    inner: int,
    recorded: bool,
) -> np.ndarray:
    """Query and best reference with their names above them."""
    size = (query.shape[1], query.shape[0])
    drawn = _images(query, ours, best, load, regions, inner)
    title, scores = 'No reference', ''
    if best is not None:
        title = f'Best reference: {_title(best)}'
        scores = '; '.join(evidence_in_words(best, recorded=recorded))
    # Narrow images leave room at the right, which long names may take.
    left = ours.image.shape[1]
    titles = [
        _caption(left, f'Query, {size[0]} x {size[1]} pixels', name_within(name, 17, left)),
        _caption(inner - left - GAP, title, scores),
    ]
    return below([beside(titles, GAP), drawn], 6)


def _images(
    query: np.ndarray,
    ours: _Shown,
    best: PlaceHypothesis | None,
    load: LoadImage,
    regions: LoadRegions | None,
    width: int,
) -> np.ndarray:
    """Query and best reference with their matches."""
    side = (width - GAP) // 2
    if best is None:
        empty = empty_image(ours.image.shape[1::-1], 'nothing was searched')
        return beside([ours.image, empty], GAP)
    stored = decoded(load(best.place.index))
    theirs = None if stored is None else _painted(stored, side, regions).image
    box = (side, round(side * _TALLEST))
    size = (query.shape[1], query.shape[0])
    return pair_picture(ours.image, theirs, best, box, GAP, query_size=size)


def _legend(best: PlaceHypothesis | None, query: _Shown, recorded: bool) -> str:
    words = []
    if best is not None and recorded:
        words.append('Recorded answers hold no positions of matches, so no lines are drawn.')
    elif best is not None:
        words.append(matches_in_words(best))
    if query.regions is not None:
        words.append('Brighter regions count more when images are compared.')
        if not query.regions.everywhere:
            words.append('The network chose those within thin outlines; the rest is left out.')
    return ' '.join(words)


def _title(hypothesis: PlaceHypothesis) -> str:
    place = hypothesis.place
    # Images of a bag all have the name of the topic.
    name = '' if ':' in place.image_uri else PurePath(place.image_uri).name
    return f'{place.place_id} ({name})' if name else place.place_id


def _caption(width: int, title: str, words: str) -> np.ndarray:
    title = name_within(title, 20, width, bold=True)
    # A row of its own even where empty, so that both images begin at the same height.
    return text_block(width, [Text(title, 20, True, rows=1), Text(words, 17, rows=2)])


def _small_width(inner: int, others: int) -> int:
    count = max(others, 3)
    return (inner - GAP * (count - 1)) // count


def _small(
    image: np.ndarray | None, hypothesis: PlaceHypothesis, width: int, recorded: bool
) -> np.ndarray:
    shown = _thumbnail(image, hypothesis.place.image_size, width)
    name = f'{hypothesis.rank + 1}. {hypothesis.place.place_id}'
    title = name_within(name, 17, width, bold=True)
    words = evidence_in_words(hypothesis, recorded=recorded)
    lines = [Text(line, _letters(line, width), rows=2) for line in words]
    return below([shown, text_block(width, [Text(title, 17, True, rows=1), *lines])], 4)


def _true_reference(truth: Truth, width: int) -> np.ndarray:
    image = decoded(truth.jpeg)
    shown = _thumbnail(image, (4, 3) if image is None else image.shape[1::-1], width)
    title = name_within(f'Right: {truth.place_id}', 17, width, bold=True)
    texts = [Text(title, 17, True, RIGHT, rows=1), Text(truth.caption, 16, rows=2)]
    return below([shown, text_block(width, texts)], 4)


def _thumbnail(image: np.ndarray | None, size: tuple[int, ...], width: int) -> np.ndarray:
    """An image in a box of 4:3 with grey beside it, so that all have the same height."""
    height = round(width * 3 / 4)
    if image is None:
        scale = min(width / size[0], height / size[1])
        return _centred(
            empty_image((round(size[0] * scale), round(size[1] * scale)), NO_IMAGE), width, height
        )
    return _centred(fitted(image, width, height), width, height)


def _centred(image: np.ndarray, width: int, height: int) -> np.ndarray:
    sheet = np.full((height, width, 3), 245, np.uint8)
    top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
    sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return sheet


def _letters(line: str, width: int) -> int:
    """Size of letters at which a line takes at most two rows."""
    return 16 if font(16).getlength(line) <= 2 * width else 13


def pair_with_legend(
    query: np.ndarray,
    recognition: Recognition,
    load: LoadImage,
    *,
    regions: LoadRegions | None = None,
    width: int = 1200,
    recorded: bool = False,
) -> tuple[np.ndarray, str]:
    """The two images of `answer_picture` without words, and what they show.

    Args:
        query, recognition, load, regions, width, recorded: of `answer_picture`.

    Returns:
        [H, W, 3] uint8, RGB, and the words.
    """
    shown = _painted(query, (width - GAP) // 2, regions)
    best = recognition.hypotheses[0] if recognition.hypotheses else None
    pair = _images(query, shown, best, load, regions, width)
    return pair, _legend(best, shown, recorded)


def match_picture(
    query: np.ndarray, recognition: Recognition, reference_jpeg: bytes | None, height: int
) -> np.ndarray:
    """The query beside the best reference with their matches, state and scores below.

    A small picture of what `answer_picture` draws, for a running node.

    Args:
        query: [H, W, 3] uint8, RGB.
        recognition: the answer.
        reference_jpeg: image of the best reference; None where the map stores none.
        height: of both images in pixels.

    Returns:
        [H, W, 3] uint8, RGB.
    """
    best = recognition.hypotheses[0] if recognition.hypotheses else None
    size = (query.shape[1], query.shape[0])
    ours = fitted(query, _NO_LIMIT, height)
    if best is None:
        drawn = beside([ours, empty_image(ours.shape[1::-1], 'no hypothesis')], _SMALL_GAP)
        words = ['no hypothesis']
    else:
        box = (_NO_LIMIT, height)
        stored = decoded(reference_jpeg)
        drawn = pair_picture(ours, stored, best, box, _SMALL_GAP, query_size=size)
        words = [best.place.place_id, *evidence_in_words(best)]
    texts = [_state(recognition.state, 15), *(Text(line, 14, rows=2) for line in words)]
    return below([drawn, text_block(drawn.shape[1], texts, margin=6)], 0)


def _state(state: LocalizationState, size: int) -> Text:
    """The name of a state on its colour."""
    ink = INK if state is LocalizationState.UNKNOWN else WHITE
    return Text(state.name, size, True, ink, rows=1, badge=STATE_COLOURS[state])
