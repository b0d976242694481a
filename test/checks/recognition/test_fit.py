"""Findings on weights, map, and the timed trial."""

from __future__ import annotations

import dataclasses

from helpers.doctor.findings import by_key, problems

from fol_vpr.checks import Severity
from fol_vpr.checks.recognition.facts import MapFacts, TrialFacts, WeightsFacts
from fol_vpr.checks.recognition.fit import examine_map, examine_weights
from fol_vpr.checks.recognition.trial import examine_trial

MAP = MapFacts(
    'my map.folmap', name='campus', weights_name='vitb14', places=100, sessions=2, bytes=10**7,
    poses=100, calibrated=True, decisions='by the calibration of the map',
)  # fmt: skip
TRIAL = TrialFacts(
    image='an image', device='cpu', precision='float32', with_map=True, images=10, worst=0.2,
    seconds={'resize': 0.01, 'forward': 0.07, 'search': 0.005, 'rerank': 0.02, 'total': 0.11},
)  # fmt: skip


def test_weights():
    sound = WeightsFacts(name='vitb14', model_id='vitb14:0123', recorded=True)
    assert problems(examine_weights(sound)) == set()
    assert problems(examine_weights(WeightsFacts(error='no'))) == {'weights.load'}
    assert problems(examine_weights(WeightsFacts(trained=False))) == {'weights.untrained'}


def test_a_map():
    assert problems(examine_map(MAP)) == set()
    assert by_key(examine_map(None))['map.none'].severity is Severity.SKIPPED
    broken = by_key(examine_map(dataclasses.replace(MAP, error='cut')))
    assert broken['map.read'].command == "fol_vpr map check 'my map.folmap'"
    assert set(broken) == {'map.read'}


def test_a_map_of_other_weights():
    other = dataclasses.replace(MAP, mismatch='made with vitb14, loaded are fol_tiny')
    found = by_key(examine_map(other))['map.other_weights']
    assert found.severity is Severity.ERROR
    assert 'made with vitb14' in found.seen


def test_what_a_map_lacks():
    bare = dataclasses.replace(MAP, calibrated=False, poses=0)
    assert problems(examine_map(bare)) == {'map.uncalibrated', 'map.no_poses'}
    some = dataclasses.replace(MAP, poses=10, calibration_problem='place_radius was 10, is 5')
    assert problems(examine_map(some)) == {'map.some_poses', 'map.calibration'}
    changed = by_key(examine_map(dataclasses.replace(MAP, added=3, removed=1)))
    assert '3 places added and 1 removed' in changed['map.changes'].seen


def test_what_else_a_map_says_of_itself():
    poor = dataclasses.replace(MAP, scale='room', remarks=('its calibration is poor',))
    found = by_key(examine_map(poor))
    assert found['map.remark'].seen == 'its calibration is poor'
    assert found['map.read'].seen.endswith('made with vitb14, scale room')


def test_the_rate_that_the_machine_holds():
    assert TRIAL.rate == 10.0
    found = by_key(examine_trial(TRIAL, None))
    assert found['trial.rate'].seen.startswith('10.0 images per second, on cpu with float32')
    assert found['trial.stages'].seen.startswith('the time goes into forward 70 ms, rerank 20 ms')
    slower = by_key(examine_trial(TRIAL, 30.0))['trial.rate']
    assert slower.severity is Severity.WARNING
    assert 'drops 67%' in slower.why
    assert 'let the camera send 10 a second' in slower.remedy
    assert problems(examine_trial(TRIAL, 9.0)) == set()


def test_the_remedy_is_that_of_the_slowest_stage():
    ranking = dataclasses.replace(TRIAL, seconds={'forward': 0.1, 'rerank': 2.0, 'total': 2.2})
    found = by_key(examine_trial(ranking, None))['trial.rate']
    assert 'lower retrieval.rerank' in found.remedy
    failed = by_key(examine_trial(TrialFacts(error='no memory'), None))['trial.rate']
    assert (failed.severity, failed.seen) == (Severity.SKIPPED, 'no memory')
