"""The one path from an image to hypotheses, with the real network, map and index."""

import math
from dataclasses import replace

import numpy as np
import pytest
from helpers.recognizer.eight_places import CONFIG, PLACES
from helpers.scenes import frames, view, write_folder

from fol_vpr.config import (
    MappingConfig,
    NetworkConfig,
    VerificationConfig,
)
from fol_vpr.database import MapHeader, MapWriter
from fol_vpr.datatypes import (
    Cause,
    Features,
    Frame,
    LocalFeatures,
    LocalizationState,
    PoseSource,
    Prior,
    Verification,
)
from fol_vpr.decision import LocalizationResult
from fol_vpr.errors import MapError, MapMismatchError, WeightsError
from fol_vpr.mapping import build_map
from fol_vpr.network import build_fol, save_weights
from fol_vpr.recognizer import PlaceRecognizer, network_config_from_map
from fol_vpr.recognizer.map_manager import MapManager
from fol_vpr.sources import open_source


def test_a_place_is_recognised_from_a_little_aside(loaded):
    for place, frame in enumerate(frames(PLACES, shift=5)):
        assert loaded.recognize(frame).hypotheses[0].place.index == place


def test_the_answer_carries_the_evidence(loaded):
    frame = frames(3, shift=5)[2]
    answer = loaded.recognize(frame)
    best, last = answer.hypotheses[0], answer.hypotheses[-1]
    assert (answer.stamp_ns, answer.frame_id) == (frame.stamp_ns, 'camera')
    assert [h.rank for h in answer.hypotheses] == list(range(5))
    assert len(answer.global_ranking) == 6
    assert 0.5 < best.similarity <= 1.0 + 1e-6
    assert best.match_score > 0 and math.isnan(last.match_score)
    assert best.matches == len(best.reference_xy) == best.match_score
    assert best.pose is None and best.pose_source == PoseSource.NONE
    assert math.isnan(best.probability) and math.isnan(answer.p_not_in_map)
    stages = {
        'resize', 'forward', 'search', 'rerank', 'verify', 'decide', 'refine_pose',
        'loops', 'total',
    }  # fmt: skip
    assert set(answer.timings) == stages
    assert sum(answer.timings[s] for s in stages - {'total'}) <= answer.timings['total']


def test_where_nothing_is_searched_the_answer_says_why(loaded):
    frame = Frame(view(2))
    assert loaded.quality_only_result(frame).explanation.cause is Cause.NO_MAP
    assert loaded.recognize(frame).explanation.cause is Cause.UNTRAINED
    nowhere = Prior(sessions=frozenset({'another'}))
    assert loaded.recognize(frame, prior=nowhere).explanation.cause is Cause.NO_CANDIDATES


def test_a_prior_narrows_the_search(loaded):
    session = loaded.places[0].session_id
    frame = Frame(view(2))
    every = loaded.recognize(frame)
    assert loaded.recognize(frame, prior=Prior(sessions=frozenset({session}))).global_ranking == (
        every.global_ranking
    )
    nothing = loaded.recognize(frame, prior=Prior(sessions=frozenset({'another'})))
    assert nothing.hypotheses == () and nothing.state == LocalizationState.UNKNOWN


def test_a_large_map_keeps_its_index_beside_it(loaded, town):
    flat = [loaded.recognize(frame).global_ranking for frame in frames(3, shift=5)]
    assert loaded.map_status.index.startswith('flat')
    assert 'search index flat' in loaded.memory_plan()
    retrieval = replace(CONFIG.retrieval, index='large')
    loaded.set_config(replace(CONFIG, retrieval=retrieval))
    written = []
    for _ in range(2):
        loaded.load_map(town)
        status = loaded.map_status.index
        assert status.startswith('large') and 'mapped from its cache' in status
        written.append(town.with_name('town.folmap.index').stat().st_mtime_ns)
    assert written[0] == written[1]
    for frame, expected in zip(frames(3, shift=5), flat, strict=True):
        found = loaded.recognize(frame).global_ranking
        assert [c.index for c in found] == [c.index for c in expected]


def test_untrained_weights_never_localize(loaded):
    loaded.set_config(replace(CONFIG, verification=VerificationConfig(consecutive=1)))
    answer = loaded.recognize(Frame(view(1)))
    assert answer.hypotheses[0].verification == Verification.GEOMETRY
    assert answer.state == LocalizationState.UNKNOWN and answer.believed is None
    assert answer.loop_closures == ()


def test_the_number_of_hypotheses_can_be_asked_for(loaded):
    assert len(loaded.recognize(Frame(view(0)), hypotheses=2).hypotheses) == 2


def test_without_a_map_the_error_says_what_to_do(recognizer):
    fresh = PlaceRecognizer.__new__(PlaceRecognizer)
    none = MapManager(recognizer.extractor, recognizer._lock, recognizer._on_map_loaded)
    fresh.__dict__.update(recognizer.__dict__, _maps=none)
    with pytest.raises(MapError, match='no map is loaded'):
        fresh.recognize(Frame(view(0)))


def test_a_map_of_another_preprocessing_is_refused_and_the_old_one_stays(
    loaded, town, tmp_path, monkeypatch
):
    monkeypatch.setattr(loaded.extractor, 'preprocessing_id', 'fixed-322-imagenet')
    with pytest.raises(MapMismatchError, match=r'fixed-126.*fixed-322'):
        loaded.load_map(town)
    monkeypatch.undo()
    with pytest.raises(MapError, match='nowhere'):
        loaded.load_map(tmp_path / 'nowhere.folmap')
    assert loaded.recognize(frames(1)[0]).hypotheses[0].place.index == 0


def test_with_weights_of_its_own_it_localizes_over_consecutive_images(tmp_path):
    """Weights from a file count as trained; the images are the map's own, which even random
    features match rightly."""
    save_weights(build_fol('vits14'), tmp_path / 'own.safetensors')
    network = replace(CONFIG.network, weights=str(tmp_path / 'own.safetensors'))
    # Three times the same image says less than three images.
    verification = replace(CONFIG.verification, probability=0.8)
    recognizer = PlaceRecognizer(replace(CONFIG, network=network, verification=verification))
    try:
        source = open_source(write_folder(tmp_path / 'images', 4))
        build_map(source, tmp_path / 'own.folmap', recognizer.extractor, MappingConfig())
        recognizer.load_map(tmp_path / 'own.folmap')
        stream = [replace(frame, stamp_ns=i) for i, frame in enumerate([frames(3)[2]] * 3)]
        answers = [recognizer.recognize(frame) for frame in stream]
        assert [a.state for a in answers] == [
            LocalizationState.UNKNOWN,
            LocalizationState.UNKNOWN,
            LocalizationState.LOCALIZED,
        ]
        closure = answers[2].loop_closures[0]
        assert (closure.stamp_from_ns, closure.session_from) == (2, recognizer.session_id)
        assert (closure.stamp_to_ns, closure.session_to) == (
            recognizer.places[2].stamp_ns,
            recognizer.places[2].session_id,
        )
        assert closure.frame_from == 'camera'
        assert closure.verification == Verification.GEOMETRY
        recognizer.reset_sequence()
        assert recognizer.recognize(stream[2]).state == LocalizationState.UNKNOWN
    finally:
        recognizer.close()


def test_memory_plan_names_the_numbers(loaded):
    plan = loaded.memory_plan()
    assert 'town, 8 places' in plan
    assert f'on cpu ({loaded.extractor.precision}: ' in plan


def test_the_reference_image_is_a_jpeg(loaded):
    jpeg = loaded.reference_image(3)
    assert jpeg is not None and jpeg[:2] == b'\xff\xd8'


def test_answers_are_reproducible(loaded):
    frame = frames(5, shift=9)[4]
    first, second = loaded.recognize(frame), loaded.recognize(frame)
    assert first.hypotheses
    for a, b in zip(first.hypotheses, second.hypotheses, strict=True):
        assert (a.place, a.similarity, a.inliers) == (b.place, b.similarity, b.inliers)
        np.testing.assert_equal(a.match_score, b.match_score)


def test_the_state_does_not_depend_on_how_many_hypotheses_are_published(loaded):
    verification = VerificationConfig(verify=2, place_index_gap=0)
    loaded.set_config(replace(CONFIG, verification=verification))
    ranks = []
    original = loaded._decide
    try:
        loaded._decide = lambda seen, sequence: (
            ranks.append([h.rank for h in seen.hypotheses if h.query_xy is not None])
            or original(seen, sequence)
        )
        for count in (1, 5):
            assert len(loaded.recognize(Frame(view(2)), hypotheses=count).hypotheses) == count
    finally:
        del loaded._decide
    assert ranks == [[0, 1], [0, 1]]


def test_the_best_of_another_place_is_verified_as_a_rival(loaded):
    """All eight references but the last count as one place."""
    verification = VerificationConfig(verify=2, place_index_gap=3)
    retrieval = replace(CONFIG.retrieval, candidates=8, rerank=8, hypotheses=8)
    loaded.set_config(replace(CONFIG, retrieval=retrieval, verification=verification))
    answer = loaded.recognize(Frame(view(0)))
    checked = [h for h in answer.hypotheses if h.query_xy is not None]
    others = [h for h in answer.hypotheses if h.place.index > 3]
    assert checked == [answer.hypotheses[0], others[0]]
    assert all(h.inlier.sum() == h.inliers and len(h.inlier) == h.matches for h in checked)


def test_the_answer_names_the_map_that_was_searched(loaded):
    answer = loaded.recognize(Frame(view(0)))
    assert (answer.map_id, answer.map_frame) == (loaded.map_info.map_id, 'map')


def test_a_map_from_another_machine_names_the_weights_that_it_needs(tmp_path):
    path = tmp_path / 'travelled.folmap'
    header = MapHeader(
        name='travelled',
        model_id='vits14:0123456789abcdef',
        preprocessing_id='keep_aspect-504-imagenet',
        weights_name='/home/builder/own.safetensors',
        codec='float16',
        descriptor_dim=4,
        local_dim=2,
    )
    none = LocalFeatures(np.empty((0, 2)), np.empty((0, 2)), np.empty(0))
    features = Features(np.array([1.0, 0, 0, 0]), none, (640, 480))
    with MapWriter(path, header) as writer:
        frame = Frame(np.zeros((480, 640, 3), np.uint8))
        writer.add(frame, features, session_id='s', source_position=0)
        writer.finish()
    with pytest.raises(WeightsError, match='give their file as weights') as caught:
        network_config_from_map(path)
    for words in (str(path), "'/home/builder/own.safetensors'", 'vits14:0123456789ab'):
        assert words in str(caught.value)
    expected = NetworkConfig(resize='keep_aspect', input_size=504)
    given = network_config_from_map(path, 'elsewhere.pth')
    assert given == replace(expected, weights='elsewhere.pth')
    (tmp_path / 'own.safetensors').write_bytes(b'')
    beside = str(tmp_path / 'own.safetensors')
    assert network_config_from_map(path) == replace(expected, weights=beside)


def test_the_hypothesis_that_is_believed_comes_first(loaded):
    """Re-ranking put the right place last of those looked at; the geometry knows better."""
    loaded.set_config(CONFIG)
    asked = []

    def believe_the_second(seen, sequence):
        verified = [h for h in seen.hypotheses if h.query_xy is not None]
        asked.append(verified[1])
        verified[1] = replace(verified[1], verification=Verification.GEOMETRY)
        return LocalizationResult(LocalizationState.LOCALIZED, verified[1])

    loaded._decide = believe_the_second
    try:
        answers = [loaded.recognize(Frame(view(3)), hypotheses=count) for count in (1, 4)]
    finally:
        del loaded._decide
    for answer, believed in zip(answers, asked, strict=True):
        assert answer.hypotheses[0].place is believed.place
        assert answer.believed is answer.hypotheses[0]
        assert [h.rank for h in answer.hypotheses] == list(range(len(answer.hypotheses)))
        assert len({h.place.index for h in answer.hypotheses}) == len(answer.hypotheses)
    # The same place once more tells nothing new.
    assert [len(answer.loop_closures) for answer in answers] == [1, 0]
    assert answers[0].loop_closures[0].stamp_to_ns == asked[0].place.stamp_ns
    assert [len(answer.hypotheses) for answer in answers] == [1, 4]


def test_what_is_excluded_is_as_if_the_map_had_it_not(loaded):
    frame = Frame(view(2))
    features = loaded.extract(frame)
    every, without = (
        loaded.observe(frame, features, exclude=frozenset(gone)) for gone in ((), (2, 5))
    )
    assert every.hypotheses[0].place.index == 2
    indices = {c.index for c in without.candidates}
    assert len(indices) == 6 and not indices & {2, 5}
    assert {h.place.index for h in without.hypotheses} <= indices
