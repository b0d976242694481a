"""Versions of optional packages as numbers that compare."""

from fol_vpr.versions import version_numbers


def test_versions_compare_by_their_numbers():
    assert version_numbers('1.10.0') > version_numbers('1.9.3')
    assert version_numbers('14.2.0') >= version_numbers('14.2')
    assert version_numbers('1.8.1.dev0') == version_numbers('1.8.1')
    assert version_numbers('2.0') > version_numbers('1.8.1')
