"""A recognizer as a program makes it: from a map alone, for photographs and for streams."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.scenes import frames, view, write_folder

from fol_vpr.database import MapReader
from fol_vpr.datatypes import Cause, Frame, LocalizationState, Prior
from fol_vpr.errors import DeviceError, InputError, MapError, WeightsError
from fol_vpr.mapping.from_images import build_map
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.sources import open_source

PLACES = 6
SMALL = {'network.input_size': 126}


@pytest.fixture(scope='module')
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map of places with poses, by the small network at a small input."""
    path = tmp_path_factory.mktemp('town') / 'town.folmap'
    counts = []
    info = build_map(
        frames(PLACES), path, settings={**SMALL, 'mapping.codec': 'float32'}, scale='street',
        name='a town', progress=lambda *each: counts.append(each),
    )  # fmt: skip
    assert (info.places, info.poses, info.frame_id, info.scale) == (
        PLACES,
        PLACES,
        'map',
        'street',
    )
    assert (info.name, info.codec, info.weights_name) == ('a town', 'float32', 'fol_tiny')
    assert counts[-1] == (PLACES, PLACES, PLACES)
    return path


@pytest.fixture(scope='module')
def recognizer(town: Path) -> Iterator[PlaceRecognizer]:
    with PlaceRecognizer.for_map(town) as made:
        yield made


def test_weights_and_input_size_are_those_of_the_map(recognizer):
    network = recognizer.config.network
    assert (network.weights, network.input_size, network.device) == ('fol_tiny', 126, 'auto')
    assert recognizer.config.scale == ''
    assert [p.session_id for p in recognizer.places] == ['town'] * PLACES


def test_settings_come_before_those_of_the_map(town):
    given = {'retrieval.candidates': 4, 'verification.place_radius': 2.5, 'network.threads': 1}
    with PlaceRecognizer.for_map(town, device='cpu', scale='room', settings=given) as made:
        config = made.config
        assert (config.retrieval.candidates, config.network.threads) == (4, 1)
        assert (config.verification.place_radius, config.network.device) == (2.5, 'cpu')
        # Of the scale, as it was not given.
        assert config.verification.speed == 0.5


@pytest.mark.parametrize(
    ('changes', 'error', 'said'),
    [
        ({'settings': {'candidates': 4}}, InputError, 'retrieval.candidates'),
        ({'scale': 'desk'}, InputError, 'room, building, street'),
        ({'weights': 'fol_huge'}, WeightsError, 'fol_huge'),
        ({'device': 'tpu'}, DeviceError, 'tpu'),
        ({'settings': {'network.input_size': 140}}, MapError, '126'),
    ],
)
def test_what_does_not_fit_is_said(town, changes, error, said):
    with pytest.raises(error, match=said):
        PlaceRecognizer.for_map(town, **changes)


def test_a_map_that_is_not_there(tmp_path):
    with pytest.raises(MapError, match='nowhere'):
        PlaceRecognizer.for_map(tmp_path / 'nowhere.folmap')


def test_path_array_and_frame_get_the_same_answer(recognizer, tmp_path):
    path = write_folder(tmp_path, 3, shift=5) / 'view002.jpg'
    frame = next(f for _, f in open_source(tmp_path).frames(2))
    answers = [recognizer.query(each) for each in (path, str(path), frame.image, frame)]
    assert [a.best.place_id for a in answers] == ['town/000002'] * 4
    assert len({a.best.similarity for a in answers}) == 1
    assert len(recognizer.query(path, hypotheses=2).hypotheses) == 2


def test_photographs_are_no_stream(recognizer):
    for _ in range(5):
        answer = recognizer.query(view(1, shift=5))
        assert (answer.state, answer.cause) == (LocalizationState.UNKNOWN, Cause.FEW_IMAGES)
        assert 'verification.consecutive' in answer.remedy
    # Nor do they count in one.
    assert recognizer.recognize(Frame(view(1))).cause is Cause.FEW_IMAGES


def test_one_photograph_is_enough_where_that_is_wanted(town):
    sure = {'verification.consecutive': 1}
    with PlaceRecognizer.for_map(town, settings=sure) as made:
        answer = made.query(view(1, shift=5))
    assert answer.state == LocalizationState.LOCALIZED
    assert answer.best is answer.believed
    np.testing.assert_array_equal(answer.best.pose.position, [10, 0, 0])


def test_a_prior_of_what_the_map_lacks_is_refused(recognizer):
    with pytest.raises(InputError, match='no session'):
        recognizer.query(view(1), prior=Prior(sessions=frozenset({'another'})))


def test_a_stream_gathers_evidence_and_begins_anew(recognizer):
    stream = frames(PLACES, shift=5)
    for _ in range(2):
        states = [answer.state for answer in recognizer.follow(iter(stream))]
        assert states[0] == LocalizationState.UNKNOWN
        assert states[-1] == LocalizationState.LOCALIZED


def test_a_folder_can_be_followed(recognizer, tmp_path):
    folder = write_folder(tmp_path, 3, shift=5)
    for given in (folder, str(folder), open_source(folder)):
        found = [answer.best.place_id for answer in recognizer.follow(given)]
        assert found == ['town/000000', 'town/000001', 'town/000002']
    with pytest.raises(InputError, match='several images'):
        next(recognizer.follow(view(1)))


def test_a_closed_recognizer_says_so(town):
    with PlaceRecognizer.for_map(town) as made:
        pass
    made.close()
    for prior in (None, Prior(sessions=frozenset({'town'}))):
        with pytest.raises(MapError, match='recognizer is closed: make another'):
            made.query(view(1), prior=prior)


@pytest.mark.parametrize('count', [0, -1])
def test_less_than_one_hypothesis_is_refused(recognizer, count):
    with pytest.raises(InputError, match=f'hypotheses is {count}, expected at least 1'):
        recognizer.query(view(1), hypotheses=count)


def test_remarks_are_logged(tmp_path, caplog):
    build_map(frames(3), tmp_path / 'm.folmap', settings=SMALL)
    with caplog.at_level(logging.WARNING), PlaceRecognizer.for_map(tmp_path / 'm.folmap') as made:
        (remark,) = made.map_status.remarks()
    assert 'scale' in remark and remark in caplog.text


def test_a_list_and_a_folder_make_the_same_map(tmp_path):
    folder = write_folder(tmp_path / 'images', 3)
    by_path = sorted(folder.iterdir())
    build_map(folder, tmp_path / 'folder.folmap', settings=SMALL)
    build_map(by_path, tmp_path / 'list.folmap', settings=SMALL, session='images')
    with MapReader(tmp_path / 'folder.folmap') as one, MapReader(tmp_path / 'list.folmap') as two:
        np.testing.assert_array_equal(one.global_descriptors(), two.global_descriptors())
        assert [p.place_id for p in one.places] == [p.place_id for p in two.places]


def test_images_that_cannot_be_used_are_named_or_left_out(tmp_path):
    given = [view(0), view(1)[:, :, 0], view(2)]
    with pytest.raises(InputError, match=r'image 1: .*np\.stack'):
        build_map(given, tmp_path / 'm.folmap', settings=SMALL)
    assert list(tmp_path.iterdir()) == []
    bad = []
    info = build_map(
        iter(given), tmp_path / 'm.folmap', settings=SMALL, on_bad=lambda *each: bad.append(each)
    )
    assert info.places == 2 and [position for position, _ in bad] == [1]


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'settings': {'retrieval.candidates': 4}}, 'groups are network, mapping'),
        ({'scale': 'desk'}, 'room, building, street'),
        ({'images': view(0)}, 'several images'),
        ({'images': []}, 'no usable image'),
    ],
)
def test_a_build_that_cannot_be_done(tmp_path, changes, said):
    values = {'images': [view(0)], 'output': tmp_path / 'm.folmap', 'settings': SMALL, **changes}
    with pytest.raises(InputError, match=said):
        build_map(**values)
