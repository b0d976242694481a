"""The variable that names the profile of Fast DDS, by version and by user."""

from __future__ import annotations

import pytest

from fol_vpr.ros.fast_dds import PROFILE_VARIABLES, profile_variables

NEW, OLD = PROFILE_VARIABLES


def test_both_versions_of_fast_dds_find_the_profile():
    assert profile_variables('own.xml', {}) == {
        'FASTDDS_DEFAULT_PROFILES_FILE': 'own.xml',
        'FASTRTPS_DEFAULT_PROFILES_FILE': 'own.xml',
    }
    assert profile_variables('', {}) == {}


@pytest.mark.parametrize('profile', ['own.xml', ''])
def test_a_setting_of_the_user_wins_under_either_name(profile):
    assert profile_variables(profile, {OLD: 'user.xml'}) == {NEW: 'user.xml'}
    assert profile_variables(profile, {NEW: 'user.xml'}) == {OLD: 'user.xml'}
    assert profile_variables(profile, {NEW: 'user.xml', OLD: 'other.xml'}) == {}


def test_an_empty_variable_is_none():
    assert profile_variables('own.xml', {OLD: ''}) == {NEW: 'own.xml', OLD: 'own.xml'}
