"""Which value a setting has where user, scale, calibration and map name several."""

from dataclasses import fields, replace

import pytest

from fol_vpr.config import (
    CALIBRATED,
    OF_THE_MAP,
    RecognizerConfig,
    RetrievalConfig,
    VerificationConfig,
    declaration,
    given_settings,
    setting_of,
    settings_in_use,
    settings_of,
)

RADIUS = 'verification.place_radius'
USUAL = RecognizerConfig()


@pytest.mark.parametrize('name', sorted(OF_THE_MAP))
def test_each_setting_of_a_map_exists(name):
    assert declaration(name).default == setting_of(USUAL, name)


def test_every_setting_of_the_search_and_the_filter_is_recorded_or_known_not_to_matter():
    """A new setting has to be put into one of the two lists."""
    no_matter = {
        'retrieval.index', 'retrieval.index_uri', 'retrieval.index_timeout',
        'retrieval.index_load_timeout', 'retrieval.hypotheses', 'verification.probability',
        'verification.consecutive',
        'verification.refine_pose', 'verification.second_views', 'verification.pose_rate',
    }  # fmt: skip
    groups = {'retrieval': RetrievalConfig, 'verification': VerificationConfig}
    names = {f'{group}.{s.name}' for group, config in groups.items() for s in fields(config)}
    assert names - no_matter == set(CALIBRATED)


def used(given: float | None = None, scale: str = '', recorded: bool = False, of_map: str = ''):
    verification = VerificationConfig(place_radius=10.0 if given is None else given)
    names = frozenset() if given is None else frozenset({RADIUS})
    config = RecognizerConfig(verification=verification, scale=scale, given=names)
    return setting_of(settings_in_use(config, {RADIUS: 0.4} if recorded else None, of_map), RADIUS)


@pytest.mark.parametrize(
    ('named', 'expected'),
    [
        ({}, 10.0),
        ({'of_map': 'room'}, 0.3),
        ({'of_map': 'room', 'recorded': True}, 0.4),
        ({'of_map': 'room', 'recorded': True, 'scale': 'building'}, 3.0),
        ({'of_map': 'room', 'recorded': True, 'scale': 'street'}, 10.0),
        ({'of_map': 'room', 'recorded': True, 'scale': 'building', 'given': 10.0}, 10.0),
        ({'recorded': True, 'given': 10.0}, 10.0),
    ],
)
def test_the_nearest_word_counts(named, expected):
    assert used(**named) == expected


def test_without_a_list_what_differs_from_the_default_counts_as_given():
    config = RecognizerConfig(verification=VerificationConfig(place_radius=2.0, probability=0.9))
    assert given_settings(config) == {RADIUS}
    assert setting_of(settings_in_use(config, {RADIUS: 0.4}), RADIUS) == 2.0
    assert settings_in_use(config).verification.probability == 0.9


def test_what_a_map_brought_goes_with_it():
    first = settings_in_use(replace(USUAL, given=frozenset()), {RADIUS: 0.4}, 'room')
    assert settings_of(settings_in_use(first)) == settings_of(USUAL)
