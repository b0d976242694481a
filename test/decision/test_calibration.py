"""A calibration on its way into a map and back, and what is refused on that way."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from fol_vpr.database.format.schema import DECISION
from fol_vpr.decision import FEATURES, MIN_SHARE, MORE_IS_BETTER, Calibration, Scaling, log_odds
from fol_vpr.decision.calibration import DEFAULTS, MAX_LOG_RATIO, ROW, logistic
from fol_vpr.errors import MapError

COUNT = len(FEATURES)
LEARNED = Calibration(
    mean=np.linspace(-1, 1, COUNT),
    scale=np.linspace(0.5, 2, COUNT),
    weights=np.linspace(0, 1, COUNT),
    offset=-0.3,
    miss=0.1,
    repeat=0.2,
    place=Scaling(0.7, -0.2, 1.5),
    nowhere=Scaling(0.9, 0.4),
    made={'drives': ['monday'], 'images': 100, 'reliability': [[10, 0.5, 0.4]]},
)


def changed(path: str, value: object) -> dict[str, str]:
    """Rows with one value replaced; `path` is keys separated by blanks."""
    rows = LEARNED.to_rows()
    whole = json.loads(rows[ROW])
    part = whole
    *keys, last = path.split()
    for key in keys:
        part = part[key]
    part[last] = value
    return {ROW: json.dumps(whole)}


def test_what_was_stored_is_what_is_read():
    read = Calibration.from_rows(LEARNED.to_rows(), 'm.folmap')
    for name in ('mean', 'scale', 'weights'):
        np.testing.assert_array_equal(getattr(read, name), getattr(LEARNED, name))
    for name in ('offset', 'miss', 'repeat', 'place', 'nowhere', 'made'):
        assert getattr(read, name) == getattr(LEARNED, name)
    features = np.linspace(0, 2, COUNT)
    assert read.log_ratio(features) == LEARNED.log_ratio(features)
    assert Calibration.from_rows({}, 'm.folmap') is None
    assert ROW == DECISION  # which is what calls a map calibrated


@pytest.mark.parametrize(
    ('path', 'value'),
    [
        ('version', 2),
        ('features', {}),
        ('features similarity', None),
        ('features inliers weight', -0.1),
        ('features inliers weight', 1e9),
        ('features inliers weight', True),
        ('features inliers weight', '1'),
        ('features inliers scale', 0),
        ('features checked scale', 5e-324),
        ('offset', None),
        ('miss', 0),
        ('miss', 1.5),
        ('repeat', -1),
        ('repeat', 1e-307),
        ('place slope', -1),
        ('place', []),
        ('nowhere', {}),
        ('made', 'yesterday'),
    ],
)
def test_garbage_is_refused_with_the_remedy(path, value):
    with pytest.raises(MapError, match=r'somewhere\.folmap.*fol_vpr calibrate'):
        Calibration.from_rows(changed(path, value), 'somewhere.folmap')


@pytest.mark.parametrize('name', FEATURES)
def test_what_speaks_for_a_place_speaks_against_none(name):
    rows = changed(f'features {name} weight', -0.1)
    if name not in MORE_IS_BETTER:
        assert Calibration.from_rows(rows, 'm.folmap').weights.min() == -0.1
        return
    with pytest.raises(MapError, match='negative'):
        Calibration.from_rows(rows, 'm.folmap')


@pytest.mark.parametrize('text', ['', '{', '[]', 'NaN', '{"version": NaN}', '1', '[' * 100_000])
def test_what_is_no_calibration_at_all_is_refused(text):
    with pytest.raises(MapError):
        Calibration.from_rows({ROW: text}, 'm.folmap')


def test_numbers_that_json_does_not_have_are_refused_on_both_ways():
    text = LEARNED.to_rows()[ROW].replace('"offset": -0.3', '"offset": Infinity')
    with pytest.raises(MapError, match='Infinity'):
        Calibration.from_rows({ROW: text}, 'm.folmap')
    with pytest.raises(ValueError, match='JSON compliant'):
        replace(LEARNED, offset=math.inf).to_rows()


def test_one_image_says_no_more_than_so_much():
    for features in (np.full(COUNT, 1e5), np.full(COUNT, -1e5)):
        assert abs(LEARNED.log_ratio(features)) == MAX_LOG_RATIO


@pytest.mark.parametrize('calibration', [LEARNED, DEFAULTS])
def test_more_of_what_is_better_never_lowers_the_odds(calibration):
    rng = np.random.default_rng(3)
    for row, name in enumerate(FEATURES):
        if name in MORE_IS_BETTER:
            features = rng.normal(size=COUNT)
            more = features.copy()
            more[row] += 1.0
            assert calibration.log_ratio(more) >= calibration.log_ratio(features)


def test_the_defaults_do_not_depend_on_what_each_network_scales_its_own_way():
    names = list(FEATURES)
    for name in ('similarity', 'matches'):
        assert DEFAULTS.weights[names.index(name)] == 0


def test_scaling_is_monotonic_and_undoes_nothing_by_default():
    beliefs = np.linspace(0.001, 0.999, 50)
    for belief in beliefs:
        assert Scaling().probability(belief) == pytest.approx(belief)
    scaled = [Scaling(0.5, -1.0, 2.0).probability(belief, 0.9) for belief in beliefs]
    assert scaled == sorted(scaled)
    shares = [Scaling(0.5, -1.0, 2.0).probability(0.9, share) for share in (0.0, 0.2, 0.9, 1.0)]
    assert shares == sorted(shares)
    assert 0 < Scaling().probability(0.0) < Scaling().probability(1.0) < 1


def test_nothing_is_called_certain_or_impossible():
    sure = Scaling(slope=1e6, offset=0.0).probability
    assert Scaling().probability(1.0) == pytest.approx(1 - 1 / 22027, rel=1e-6)
    assert Scaling().probability(0.0) == pytest.approx(1 / 22027, rel=1e-3)
    assert (log_odds(0.0), log_odds(1.0)) == pytest.approx((-10, 10))
    assert sure(0.4) < sure(0.6)
    shared = Scaling(share=1.0).probability
    assert shared(0.5, 0.0) == shared(0.5, MIN_SHARE) < shared(0.5, 2 * MIN_SHARE)


def test_log_odds_and_logistic_are_inverse():
    for value in (-9.0, -1.0, 0.0, 2.5, 9.0):
        assert log_odds(logistic(value)) == pytest.approx(value)
    assert logistic(1e4) == 1.0 and logistic(-1e4) == pytest.approx(0.0)
