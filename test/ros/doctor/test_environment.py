"""Whether ROS works is tried in a process that may end without a word."""

from __future__ import annotations

import os

import pytest

from fol_vpr.checks.middleware.distribution import examine_distribution
from fol_vpr.cli.doctor.gathering.ros import tried_ros


def tried(**variables: str):
    facts = tried_ros({**os.environ, **variables})
    return facts, {finding.key: finding for finding in examine_distribution(facts)}


def test_an_environment_in_which_a_node_starts():
    facts, found = tried()
    assert (facts.error, facts.start_error, facts.started) == ('', '', True)
    assert facts.rmw.startswith('rmw_')
    assert 'ros.start' not in found


@pytest.mark.parametrize(
    ('variables', 'said', 'remedy'),
    [
        # rcl ends the process where it is imported, and Fast DDS where a node starts.
        ({'RMW_IMPLEMENTATION': 'rmw_none_cpp'}, "'rmw_none_cpp'", '-rmw-none-cpp'),
        ({'ROS_DOMAIN_ID': '300'}, 'domain', 'correct ROS_DOMAIN_ID'),
        ({'ROS_DOMAIN_ID': 'abc'}, 'not an integral number', 'correct ROS_DOMAIN_ID'),
    ],
)  # fmt: skip
def test_an_environment_in_which_none_starts(variables, said, remedy):
    facts, found = tried(**variables)
    assert facts.error == ''
    assert found['ros.start'].severity.value == 'error'
    assert said in found['ros.start'].seen
    assert remedy in found['ros.start'].remedy
