"""A calibration on its way into a map and back, and what is refused on that way."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from helpers.decision.observations import LEARNED

from fol_vpr.config import RecognizerConfig, RetrievalConfig, settings_of
from fol_vpr.database.format.schema import DECISION
from fol_vpr.decision import (
    FEATURES,
    MORE_IS_BETTER,
    PlattScaling,
    calibration_from_rows,
    calibration_to_rows,
)
from fol_vpr.decision.calibration_rows import ROW
from fol_vpr.errors import MapError

# As version 1 of the format was written, of a map of the synthetic town.
VERSION_1 = (
    '{"version": 1, "features": {'
    '"similarity": {"mean": 0.6156280216410619, "scale": 0.15805101184429024, '
    '"weight": 0.39155958008513225}, '
    '"standing": {"mean": 1.0305245326541386, "scale": 0.6866553727282781, '
    '"weight": 1.1663427590191116}, '
    '"margin": {"mean": 0.22082906673544533, "scale": 0.80015135753474, '
    '"weight": 0.12106253709629482}, '
    '"matches": {"mean": 5.307117606375464, "scale": 0.25182251127935995, '
    '"weight": 2.4262372728277866}, '
    '"match_margin": {"mean": 1.2577823757017956, "scale": 1.5114074274028415, '
    '"weight": 0.0}, '
    '"inliers": {"mean": 3.9831007916940973, "scale": 1.1948793593195888, '
    '"weight": 0.6856739501308243}, '
    '"inlier_ratio": {"mean": 0.36317604013726645, "scale": 0.18831327792792385, '
    '"weight": 2.303006999855808}, '
    '"regions": {"mean": 3.861679823678506, "scale": 1.1396062444073174, '
    '"weight": 0.4194922794715816}, '
    '"checked": {"mean": 0.9388379204892966, "scale": 0.2396273764423205, '
    '"weight": -0.9719655051503436}}, '
    '"offset": -0.550681343151103, "miss": 0.02, "repeat": 0.5, '
    '"place": {"slope": 0.49950843548382085, "offset": 0.35966051482567246, '
    '"share": 5.482661665747463}, '
    '"nowhere": {"slope": 0.5956181408839177, "offset": -0.5529312364906126, "share": 0.0}, '
    '"made": {"made": "2026-11-28T17:52:53Z", '
    '"model_id": "fol_tiny:11e76558f40b31260693b45097e553a769103d64d047223ddf02e3c623ad602a", '
    '"codec": "fine", "places": 134, "ground_truth": "5 m", '
    '"settings": {"candidates": 100, "rerank": 20, "order": "evidence", "shortlist": 6, '
    '"match_threshold": 0.7, "similarity_weight": 0.15, "least_standing": 0.3, "verify": 3, '
    '"agreement_radius": 10.0, "agreement_index": 5, "max_gap": 5.0, "speed": 3.0, '
    '"inlier_threshold": 4.0}, '
    '"drives": ["overcast"], "images": 121, "images_in_map": 121, '
    '"calibration_error": 0.04298035612517037, '
    '"calibration_error_nowhere": 0.037516812927227895, '
    '"reliability": [[122, 0.035205677025041876, 0.0], [202, 0.9820417631311749, '
    '0.9653465346534653]]}}'
)
# As version 3 of the format was written.
VERSION_3 = (
    '{"version": 3, "features": {"similarity": {"mean": -1.0, "scale": 0.5, "weight": 0.0}, '
    '"similarity_zscore": {"mean": -0.75, "scale": 0.75, "weight": 0.2}, "similarity_margin": '
    '{"mean": -0.5, "scale": 1.0, "weight": 0.4}, "matches": {"mean": -0.25, "scale": 1.25, '
    '"weight": 0.6}, "match_margin": {"mean": 0.0, "scale": 1.5, "weight": 0.8}, "inliers": '
    '{"mean": 0.25, "scale": 1.75, "weight": 1.0}, "inlier_ratio": {"mean": 0.5, "scale": '
    '2.0, "weight": 1.2}, "regions": {"mean": 0.75, "scale": 2.25, "weight": 1.4}, '
    '"geometry_checked": {"mean": 1.0, "scale": 2.5, "weight": 1.6}}, "offset": -0.3, '
    '"miss_rate": 0.1, "repeat_rate": 0.2, "place_scaling": {"slope": 0.7, "offset": -0.2, '
    '"share_slope": 1.5}, "outside_scaling": {"slope": 0.9, "offset": 0.4, "share_slope": '
    '0.0}, "settings": {"verification.place_radius": 0.4}, "provenance": {"drives": '
    '["monday"], "images": 100}}'
)


def changed(path: str, value: object) -> dict[str, str]:
    """Rows with one value replaced; `path` is keys separated by blanks."""
    rows = calibration_to_rows(LEARNED)
    whole = json.loads(rows[ROW])
    part = whole
    *keys, last = path.split()
    for key in keys:
        part = part[key]
    part[last] = value
    return {ROW: json.dumps(whole)}


def test_what_was_stored_is_what_is_read():
    read = calibration_from_rows(calibration_to_rows(LEARNED), 'm.folmap')
    for name in ('mean', 'scale', 'weights', 'exact_weights'):
        np.testing.assert_array_equal(getattr(read, name), getattr(LEARNED, name))
    for name in (
        'offset', 'exact_offset', 'miss_rate', 'repeat_rate', 'place_scaling', 'outside_scaling',
        'settings', 'provenance',
    ):  # fmt: skip
        assert getattr(read, name) == getattr(LEARNED, name)
    features = np.linspace(0, 2, len(FEATURES))
    assert read.log_ratio(features) == LEARNED.log_ratio(features)
    assert read.exactness(features) == LEARNED.exactness(features)
    assert calibration_from_rows({}, 'm.folmap') is None
    assert ROW == DECISION  # which is what calls a map calibrated


@pytest.mark.parametrize(
    ('path', 'value'),
    [
        ('version', 5),
        ('settings', None),
        ('settings', {'verification.place_radius': -1}),
        ('settings', {'verification.place_radius': 'wide'}),
        ('settings', {'verification.verify': 2.5}),
        ('settings', {'retrieval.rerank_score': 'best'}),
        ('settings', {'verification.probability': 0.95}),
        ('features', {}),
        ('features similarity', None),
        ('features inliers weight', -0.1),
        ('features inliers weight', 1e9),
        ('features inliers weight', True),
        ('features inliers weight', '1'),
        ('features inliers scale', 0),
        ('features geometry_checked scale', 5e-324),
        ('features inliers exact_weight', None),
        ('features inliers exact_weight', -0.1),
        ('offset', None),
        ('exact_offset', 'none'),
        ('exact_offset', 1e9),
        ('place_scaling exactness_slope', -0.1),
        ('place_scaling exactness_slope', None),
        ('miss_rate', 0),
        ('miss_rate', 1.5),
        ('repeat_rate', -1),
        ('repeat_rate', 1e-307),
        ('place_scaling slope', -1),
        ('place_scaling', []),
        ('outside_scaling', {}),
        ('provenance', 'yesterday'),
    ],
)
def test_garbage_is_refused_with_the_remedy(path, value):
    with pytest.raises(MapError, match=r'somewhere\.folmap.*fol_vpr calibrate'):
        calibration_from_rows(changed(path, value), 'somewhere.folmap')


@pytest.mark.parametrize('name', FEATURES)
@pytest.mark.parametrize(
    ('key', 'column'), [('weight', 'weights'), ('exact_weight', 'exact_weights')]
)
def test_what_speaks_for_a_place_speaks_against_none(name, key, column):
    rows = changed(f'features {name} {key}', -0.1)
    if name not in MORE_IS_BETTER:
        assert getattr(calibration_from_rows(rows, 'm.folmap'), column).min() == -0.1
        return
    with pytest.raises(MapError, match='negative'):
        calibration_from_rows(rows, 'm.folmap')


@pytest.mark.parametrize('text', ['', '{', '[]', 'NaN', '{"version": NaN}', '1', '[' * 100_000])
def test_what_is_no_calibration_at_all_is_refused(text):
    with pytest.raises(MapError):
        calibration_from_rows({ROW: text}, 'm.folmap')


def test_numbers_that_json_does_not_have_are_refused_on_both_ways():
    text = calibration_to_rows(LEARNED)[ROW].replace('"offset": -0.3', '"offset": Infinity')
    with pytest.raises(MapError, match='Infinity'):
        calibration_from_rows({ROW: text}, 'm.folmap')
    with pytest.raises(ValueError, match='JSON compliant'):
        calibration_to_rows(replace(LEARNED, offset=math.inf))


def test_version_1_is_read_with_its_numbers_under_the_names_of_today():
    read = calibration_from_rows({ROW: VERSION_1}, 'm.folmap')
    written = json.loads(VERSION_1)
    columns = written['features']
    old = ['similarity', 'standing', 'margin', 'matches', 'match_margin', 'inliers',
           'inlier_ratio', 'regions', 'checked']  # fmt: skip
    assert list(FEATURES) == [
        'similarity', 'similarity_zscore', 'similarity_margin', 'matches', 'match_margin',
        'inliers', 'inlier_ratio', 'regions', 'size_agreement', 'geometry_checked',
    ]  # fmt: skip
    # The feature that version 1 did not have counts nothing.
    for found, key, instead in (
        (read.mean, 'mean', 0.0), (read.scale, 'scale', 1.0), (read.weights, 'weight', 0.0),
    ):  # fmt: skip
        expected = [columns[name][key] for name in old]
        assert found.tolist() == [*expected[:-1], instead, expected[-1]]
    assert not read.exact_weights.any()
    assert (read.exact_offset, read.place_scaling.exactness_slope) == (0.0, 0.0)
    assert (read.offset, read.miss_rate, read.repeat_rate) == (-0.550681343151103, 0.02, 0.5)
    assert read.place_scaling == PlattScaling(*written['place'].values())
    assert read.outside_scaling == PlattScaling(*written['nowhere'].values())
    assert read.provenance['created'] == '2026-11-28T17:52:53Z'
    assert read.provenance['calibration_error_outside'] == 0.037516812927227895
    assert read.provenance['drives'] == ['overcast']


def test_version_1_names_settings_as_they_are_called_today():
    settings = calibration_from_rows({ROW: VERSION_1}, 'm.folmap').settings
    # The default of that day.
    usual = settings_of(RecognizerConfig(retrieval=RetrievalConfig(similarity_weight=0.15)))
    assert set(usual) - set(settings) == {
        f'verification.{key}' for key in ('min_inliers', 'min_inlier_ratio', 'min_regions')
    }
    assert {name: usual[name] for name in settings} == settings
    other = VERSION_1.replace('"order": "evidence"', '"order": "matches", "measure": false')
    read = calibration_from_rows({ROW: other}, 'm.folmap')
    assert read.settings['retrieval.rerank_score'] == 'match_count'
    assert 'settings' not in read.provenance


def test_version_3_says_of_every_image_what_it_said():
    read = calibration_from_rows({ROW: VERSION_3}, 'm.folmap')
    new = list(FEATURES).index('size_agreement')
    features = np.linspace(0.3, 2, len(FEATURES))
    old = np.delete(features, new)
    columns = json.loads(VERSION_3)['features'].values()
    expected = sum(
        (value - column['mean']) / column['scale'] * column['weight']
        for value, column in zip(old, columns, strict=True)
    )
    assert read.log_ratio(features) == pytest.approx(expected - 0.3)
    features[new] = -0.6
    assert read.log_ratio(features) == pytest.approx(expected - 0.3)
    said = read.place_scaling.probability(0.8, 0.7, read.exactness(features))
    assert said == PlattScaling(0.7, -0.2, 1.5).probability(0.8, 0.7)
    assert (read.miss_rate, read.repeat_rate) == (0.1, 0.2)
    assert read.outside_scaling == PlattScaling(0.9, 0.4)
    assert read.settings == {'verification.place_radius': 0.4}
    assert read.provenance == {'drives': ['monday'], 'images': 100}
    assert calibration_from_rows(calibration_to_rows(read), 'm.folmap') == read


def test_version_3_has_no_feature_of_version_4():
    value = json.loads(VERSION_3)
    value['features']['size_agreement'] = value['features']['regions']
    with pytest.raises(MapError, match=r'no feature size_agreement'):
        calibration_from_rows({ROW: json.dumps(value)}, 'm.folmap')


def version_2(recorded: object) -> dict[str, str]:
    """A calibration as version 2 wrote it, with these settings in what it was made from."""
    value = json.loads(VERSION_3)
    del value['settings']
    provenance = {**value['provenance'], 'settings': recorded}
    return {ROW: json.dumps({**value, 'version': 2, 'provenance': provenance})}


def test_version_2_has_the_settings_that_it_recorded_and_no_others():
    read = calibration_from_rows(version_2({'place_radius': 0.4, 'refine_pose': False}), 'm')
    assert read.settings == {'verification.place_radius': 0.4}
    assert calibration_from_rows(calibration_to_rows(read), 'm') == read
    for strange in ({'place_radius': 'wide', 'verify': -1, 'rerank': True}, None, [], 'all'):
        assert calibration_from_rows(version_2(strange), 'm').settings == {}


def test_version_1_is_written_as_version_4_and_stays_the_same():
    read = calibration_from_rows({ROW: VERSION_1}, 'm.folmap')
    rows = calibration_to_rows(read)
    assert json.loads(rows[ROW])['version'] == 4
    assert calibration_from_rows(rows, 'm.folmap') == read


@pytest.mark.parametrize(
    ('part', 'instead', 'words'),
    [
        ('"miss": 0.02', '"miss": 0', 'not between 0 and 1'),
        ('"miss": 0.02, ', '', 'miss_rate'),
        ('"standing"', '"similarity_rank"', 'features'),
        ('"weight": 1.1663427590191116', '"weight": -1', 'negative'),
        ('"share": 0.0', '"share": -1.0', 'slope'),
        ('"version": 1', '"version": 2', 'place_scaling'),
    ],
)
def test_what_is_wrong_in_version_1_is_refused_too(part, instead, words):
    assert part in VERSION_1
    with pytest.raises(MapError, match=words):
        calibration_from_rows({ROW: VERSION_1.replace(part, instead)}, 'm.folmap')


@pytest.mark.parametrize('path', ['features', 'place', 'made'])
@pytest.mark.parametrize('value', [None, [], 'text', {}])
def test_parts_of_another_type_in_version_1_are_refused(path, value):
    whole = {**json.loads(VERSION_1), path: value}
    if (path, value) == ('made', {}):
        assert calibration_from_rows({ROW: json.dumps(whole)}, 'm.folmap').provenance == {}
        return
    with pytest.raises(MapError):
        calibration_from_rows({ROW: json.dumps(whole)}, 'm.folmap')
