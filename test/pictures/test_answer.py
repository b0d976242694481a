"""The picture of an answer: where lines run, what is said, and images of any shape."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from helpers import scenes

from fol_vpr.datatypes import (
    Cause,
    Explanation,
    LocalFeatures,
    LocalizationState,
    Place,
    PlaceHypothesis,
    Recognition,
    Verification,
)
from fol_vpr.pictures import Truth, answer_picture, jpeg_of, match_picture
from fol_vpr.pictures.answer import evidence_in_words, probability_in_words
from fol_vpr.pictures.matches import MAX_INLIERS, matches_in_words, pair_picture

SIZE = (320, 240)


def place(index: int = 0, name: str = 'street/000012', size: tuple[int, int] = SIZE) -> Place:
    return Place(index, name, 'street', 7, f'/data/{name}.jpg', size)


def matched(query, reference, inlier, size=SIZE, **changes) -> PlaceHypothesis:
    values = {
        'similarity': 0.7,
        'match_score': float(len(query)),
        'probability': 0.912,
        'inliers': int(np.sum(inlier)),
        'verification': Verification.GEOMETRY,
        'query_xy': np.array(query, np.float32).reshape(-1, 2),
        'reference_xy': np.array(reference, np.float32).reshape(-1, 2),
        'inlier': np.asarray(inlier, bool),
        **changes,
    }
    return PlaceHypothesis(place(size=size), 0, **values)


def answer(*hypotheses: PlaceHypothesis, state=LocalizationState.LOCALIZED, **changes):
    return Recognition(5, 'camera', state, hypotheses, **changes)


def painted(changed: np.ndarray, plain: np.ndarray) -> np.ndarray:
    """Where a picture of [H, W, 3] differs from another."""
    return np.abs(changed.astype(int) - plain).max(axis=2) > 6


def test_lines_join_the_positions_that_match_and_inliers_have_colours():
    black = np.zeros((240, 320, 3), np.uint8)
    pair = matched([[40, 30], [40, 200]], [[280, 30], [280, 200]], [True, False])
    bare = pair_picture(black, black, matched([], [], []), SIZE, 10)
    picture = pair_picture(black, black, pair, SIZE, 10)
    assert picture.shape == (240, 650, 3)
    lit = painted(picture, bare)
    rows = np.flatnonzero(lit.any(axis=1))
    assert set(rows) <= {*range(25, 36), *range(196, 205)}
    inlier, other = picture[26:35], picture[196:205]
    # A colour has channels that differ, and a faint line is grey.
    assert np.ptp(inlier[:, :320].astype(int), axis=2).max() > 100
    assert np.ptp(other[:, :320].astype(int), axis=2).max() < 5
    columns = np.flatnonzero(lit[20:40].any(axis=0))
    assert abs(columns[0] - 40) <= 4 and abs(columns[-1] - (330 + 280)) <= 4


def test_positions_are_of_the_original_images_whatever_their_stored_and_drawn_sizes():
    query = np.zeros((480, 640, 3), np.uint8)
    stored = np.zeros((60, 80, 3), np.uint8)
    pair = matched([[320, 240]], [[1600, 1200]], [True], size=(3200, 2400))
    picture = pair_picture(query, stored, pair, (320, 240), 0)
    bare = pair_picture(query, stored, matched([], [], []), (320, 240), 0)
    columns = np.flatnonzero(painted(picture, bare).any(axis=0))
    assert abs(columns[0] - 160) <= 4 and abs(columns[-1] - 480) <= 4


def test_many_lines_are_thinned_out_evenly():
    rng = np.random.default_rng(3)
    crowd, few = rng.uniform(0, 20, (900, 2)), [[300.0, 220.0]]
    xy = np.concatenate([crowd, few])
    pair = matched(xy, xy, np.ones(len(xy), bool))
    assert f'{MAX_INLIERS} drawn' in matches_in_words(pair)
    black = np.zeros((240, 320, 3), np.uint8)
    bare = pair_picture(black, black, matched([], [], []), SIZE, 0)
    lit = painted(pair_picture(black, black, pair, SIZE, 0), bare)
    # The one far from the crowd has its line.
    assert lit[215:226, 300].any()


def test_what_was_not_measured_is_said_in_words():
    bare = PlaceHypothesis(place(), 1, similarity=0.5)
    assert evidence_in_words(bare) == [
        'similarity 0.500',
        'not re-ranked, not verified',
    ]
    recorded = PlaceHypothesis(place(), 1, similarity=math.nan, probability=0.25)
    assert evidence_in_words(recorded, recorded=True) == [
        'probability 0.250, similarity not recorded',
        'not re-ranked',
    ]
    assert 'no calibration' in probability_in_words(answer(bare))
    both = probability_in_words(answer(matched([], [], []), p_not_in_map=0.07))
    assert '0.912' in both and 'not in the map with probability 0.070' in both
    assert probability_in_words(answer()) == 'no hypothesis'
    assert matches_in_words(bare).startswith('The local matches of this pair were not verified')
    assert matches_in_words(matched([], [], [])).startswith('No local features')


@pytest.mark.parametrize('shape', [(30, 900), (900, 30), (8, 8), (1, 1), (2000, 3000)])
def test_images_of_any_shape_give_a_picture_of_the_width_that_was_asked_for(shape):
    image = np.full((*shape, 3), 90, np.uint8)
    size = shape[::-1]
    pair = matched([[0, 0]], [[size[0] - 1, size[1] - 1]], [True], size=size)
    stored = jpeg_of(image)
    picture = answer_picture(image, 'q', answer(pair), lambda _: stored, width=1000)
    assert picture.shape[1] == 1000 and picture.shape[0] < 2000
    small = match_picture(image, answer(pair), stored, 60)
    assert small.dtype == np.uint8 and small.shape[0] > 60


def test_names_and_reasons_of_any_length_stay_inside():
    image = scenes.frames(1)[0].image
    long = 'a/very long name/' * 40
    best = PlaceHypothesis(place(name=long), 0, similarity=0.5)
    words = 'because ' * 400 + '\x1b[31m\n'
    given = answer(
        best,
        PlaceHypothesis(place(1, long), 1, similarity=0.4),
        state=LocalizationState.UNKNOWN,
        explanation=Explanation(Cause.LOW_PROBABILITY, words, words),
    )
    picture = answer_picture(image, long, given, lambda _: None, width=900)
    assert picture.shape[1] == 900 and picture.shape[0] < 2500
    # The margin is left free.
    assert (picture[:, -20:] == 255).all()


def test_a_map_without_images_says_so_and_has_its_lines():
    image = scenes.frames(1)[0].image
    pair = matched([[20, 20]], [[200, 100]], [True])
    with_line = answer_picture(image, 'q', answer(pair), lambda _: None)
    without = answer_picture(image, 'q', answer(matched([], [], [])), lambda _: None)
    half = with_line.shape[1] // 2
    rows = min(len(with_line), len(without))
    assert painted(with_line[:rows, half:], without[:rows, half:]).any()


def test_no_hypothesis_is_a_picture_too():
    image = scenes.frames(1)[0].image
    picture = answer_picture(
        image, 'q', answer(state=LocalizationState.UNKNOWN), lambda _: pytest.fail('loaded')
    )
    assert picture.shape[1] == 1600
    assert match_picture(image, answer(), None, 120).shape[0] > 120


def test_regions_that_were_not_chosen_are_darker():
    image = np.full((240, 320, 3), 200, np.uint8)
    positions = np.array([[x, y] for y in (40, 50, 60) for x in (40, 50, 60)], np.float32)
    weights = np.linspace(0.1, 1, 9).astype(np.float32)
    local = LocalFeatures(np.zeros((9, 4), np.float32), positions, weights)
    drawn = {}
    for name, regions in (('with', lambda _: local), ('without', None)):
        drawn[name] = answer_picture(
            image, 'q', answer(matched([], [], [])), lambda _: None, regions=regions
        )
    where = np.flatnonzero(painted(drawn['with'][:600], drawn['without'][:600]).any(axis=1))
    assert len(where) > 300


def test_the_right_reference_stands_below_where_the_answer_is_wrong():
    image = scenes.frames(1)[0].image
    truth = Truth('wrong: 41 m from the nearest right reference', False, 'street/000001',
                  jpeg_of(image), '41 m away')  # fmt: skip
    given = answer(matched([[1, 1]], [[1, 1]], [True]))
    told = answer_picture(image, 'q', given, lambda _: None, truth=truth)
    silent = answer_picture(image, 'q', given, lambda _: None)
    assert told.shape[0] > silent.shape[0] + 200


def test_a_limit_of_bytes_is_kept():
    noise = np.random.default_rng(0).integers(0, 255, (900, 1600, 3), dtype=np.uint8)
    data = jpeg_of(noise, limit=60_000)
    assert len(data) <= 60_000
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is not None
