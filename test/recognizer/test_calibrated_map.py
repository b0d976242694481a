"""The recognizer with a calibrated map: probabilities, and which settings count."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.recognizer.eight_places import CONFIG, PLACES
from helpers.scenes import view

from fol_vpr.calibration import store_calibration
from fol_vpr.config import VerificationConfig, settings_of
from fol_vpr.database import MapEditor
from fol_vpr.datatypes import Frame
from fol_vpr.decision import Calibration, calibration_to_rows
from fol_vpr.decision.calibration import DEFAULTS
from fol_vpr.errors import MapError
from fol_vpr.evaluation.offline import answer_offline
from fol_vpr.mapping.from_images import GivenImages
from fol_vpr.recognizer import PlaceRecognizer

CALIBRATED = Calibration(
    DEFAULTS.mean,
    DEFAULTS.scale,
    DEFAULTS.weights,
    3.0,
    miss_rate=0.1,
    repeat_rate=0.25,
    settings=settings_of(CONFIG),
    provenance={'calibration_error': 0.03},
)


@pytest.fixture
def calibrated(recognizer: PlaceRecognizer, town: Path, tmp_path: Path) -> PlaceRecognizer:
    """With the town's map, and made-up numbers as its calibration."""
    path = tmp_path / 'town.folmap'
    shutil.copy(town, path)
    store_calibration(path, CALIBRATED)
    recognizer.set_config(CONFIG)
    recognizer.load_map(path)
    return recognizer


def test_a_calibrated_map_gives_probabilities(calibrated, monkeypatch):
    assert calibrated.map_info.calibrated
    assert calibration_to_rows(calibrated.calibration) == calibration_to_rows(CALIBRATED)
    monkeypatch.setattr(calibrated.extractor, 'trained', True)
    for stamp in range(4):
        answer = calibrated.recognize(Frame(view(2), stamp_ns=stamp))
    best = answer.hypotheses[0]
    assert best.place.index == 2 and best.probability > 0.5
    assert 0 <= answer.p_not_in_map < 0.5
    assert all(0 <= h.probability <= best.probability for h in answer.hypotheses)


@pytest.mark.parametrize('sequence', [True, False])
def test_an_evaluation_of_single_queries_has_no_probabilities(calibrated, monkeypatch, sequence):
    """The calibration is of verified pairs over a sequence, which single queries are not."""
    monkeypatch.setattr(calibrated.extractor, 'trained', True)
    source = GivenImages([Frame(view(2), stamp_ns=stamp) for stamp in (0, 10**9)], 'drive')
    answers = answer_offline(calibrated, source, sequence=sequence).items
    known = [not math.isnan(p) for a in answers for p in (a.probability, a.p_not_in_map)]
    assert known == [sequence] * 4


def test_a_map_loaded_after_a_calibrated_one_goes_by_the_defaults(calibrated, town):
    calibrated.load_map(town)
    assert calibrated.calibration is None and not calibrated.map_info.calibrated
    assert math.isnan(calibrated.recognize(Frame(view(2))).p_not_in_map)


def test_a_calibration_that_cannot_be_used_keeps_the_old_map(calibrated, town, tmp_path):
    path = tmp_path / 'strange.folmap'
    shutil.copy(town, path)
    with MapEditor(path) as editor:
        editor.set_calibration({'decision': '{"version": 99}'})
    before = calibrated.map_info
    with pytest.raises(MapError, match=r'strange\.folmap cannot be used .*version 99'):
        calibrated.load_map(path)
    assert calibrated.map_info is before
    assert calibrated.recognize(Frame(view(1))).hypotheses[0].place.index == 1


def test_other_settings_keep_the_calibration_and_are_named(calibrated, town):
    verification = replace(CONFIG.verification, probability=0.6, verify=2)
    calibrated.set_config(replace(CONFIG, verification=verification))
    assert calibrated._decision.calibrated
    assert calibrated.map_status.decisions == (
        'by a calibration made with other settings (verification.verify 2 instead of 3); '
        'good: expected calibration error 0.030'
    )
    assert 'verification.verify 2 instead of 3' in calibrated.map_status.calibration_problem
    assert calibrated.map_status.calibration_problem in calibrated.map_status.remarks()
    calibrated.set_config(CONFIG)
    assert calibrated.map_status.calibration_problem == ''
    assert calibrated.map_status.decisions == (
        'by the calibration of the map, good: expected calibration error 0.030'
    )
    calibrated.load_map(town)
    assert calibrated.map_status.decisions == 'uncalibrated: by defaults'


def test_a_map_brings_the_settings_that_its_calibration_was_made_with(recognizer, town, tmp_path):
    path = tmp_path / 'tight.folmap'
    shutil.copy(town, path)
    tight = replace(CONFIG.verification, place_radius=0.4)
    made_with = settings_of(replace(CONFIG, verification=tight))
    store_calibration(path, replace(CALIBRATED, settings=made_with))
    recognizer.set_config(CONFIG)
    recognizer.load_map(path)
    assert recognizer.config.verification.place_radius == 0.4
    assert recognizer._decision.config.place_radius == 0.4
    assert recognizer.map_status.calibration_problem == ''
    assert 'verification.place_radius 0.4' in recognizer.map_status.settings
    # Who gives the setting is obeyed, and told.
    given = frozenset({'verification.place_radius'})
    recognizer.set_config(replace(CONFIG, given=given))
    assert recognizer.config.verification.place_radius == 10
    assert recognizer._decision.config.place_radius == 10
    assert (
        'verification.place_radius 10 instead of 0.4' in recognizer.map_status.calibration_problem
    )
    # Another map has nothing to do with it.
    recognizer.set_config(CONFIG)
    assert recognizer.config.verification.place_radius == 0.4
    recognizer.load_map(town)
    assert recognizer.config.verification.place_radius == 10


def test_a_scale_that_is_given_comes_before_the_calibration_and_is_named(calibrated):
    calibrated.set_config(replace(CONFIG, scale='room'))
    assert calibrated.config.verification.place_radius == 0.3
    assert 'place_radius 0.3 instead of 10' in calibrated.map_status.calibration_problem
    assert '(scale room)' in calibrated.map_status.calibration_problem
    calibrated.set_config(CONFIG)


def test_places_that_get_other_numbers_when_the_map_is_saved_are_not_mixed_up(
    calibrated, monkeypatch
):
    """What the filter believes of place 5 is not believed of the next one, which is 5 by then."""
    monkeypatch.setattr(calibrated.extractor, 'trained', True)
    calibrated.remove_places([calibrated.places[0].place_id])
    frame = Frame(view(5))
    for stamp in range(4):
        answer = calibrated.recognize(replace(frame, stamp_ns=stamp))
    assert answer.hypotheses[0].place.index == 5
    assert calibrated._decision._filter.anchors
    calibrated.save_map()
    assert [place.index for place in calibrated.places] == list(range(PLACES - 1))
    assert not calibrated._decision._filter.anchors
    calibrated.recognize(replace(frame, stamp_ns=4))
    believed = calibrated._decision._filter.anchors
    # Saved once more nothing is renumbered, and nothing forgotten.
    calibrated.add_place(Frame(view(0)))
    calibrated.save_map()
    assert calibrated._decision._filter.anchors == believed


def test_what_was_seen_is_forgotten_with_the_map_its_places_and_on_request(
    calibrated, monkeypatch
):
    monkeypatch.setattr(calibrated.extractor, 'trained', True)
    path = calibrated.map_info.path
    for forget in (
        lambda: calibrated.load_map(path),
        calibrated.reset_sequence,
        lambda: calibrated.remove_places([calibrated.places[-1].place_id]),
        lambda: calibrated.set_config(
            replace(CONFIG, verification=VerificationConfig(probability=0.9))
        ),
    ):
        calibrated.recognize(Frame(view(2)))
        before = calibrated._decision._filter
        assert before.anchors
        # Settings that no decision depends on leave it alone, and so does a single query.
        calibrated.set_config(replace(calibrated.config, retrieval=CONFIG.retrieval))
        calibrated.recognize(Frame(view(3)), sequence=False)
        assert calibrated._decision._filter is before and before.anchors
        forget()
        assert not calibrated._decision._filter.anchors
        assert calibrated._decision.calibrated
