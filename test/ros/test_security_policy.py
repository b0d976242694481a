"""The SROS2 policy allows what the running node does, and nothing that it never does."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from helpers import live, scenes

from fol_vpr.ros.node.inputs.images import TRANSPORTS

POLICY = Path(__file__).resolve().parents[2] / 'config' / 'sros2_policy.xml'
OPTIONAL = {
    ('topics subscribe', '/clock'),  # use_sim_time
    ('topics subscribe', '/tf_static'),  # tf2_msgs is installed
    ('topics subscribe', '/pose'),  # mapping.poses is pose
    ('topics publish', '/tf'),  # publish_tf
}


def allowed() -> set[tuple[str, str]]:
    """What the policy allows, with full names."""
    (profile,) = ET.parse(POLICY).getroot().findall('enclaves/enclave/profiles/profile')
    assert (profile.get('ns'), profile.get('node')) == ('/', 'localizer')
    found = set()
    for group in profile:
        for rule, value in group.attrib.items():
            assert value == 'ALLOW'
            for entry in group:
                name = (entry.text or '').replace('~', '/localizer')
                assert (f'{group.tag} {rule}', full(name)) not in found, f'{name} is there twice'
                found.add((f'{group.tag} {rule}', full(name)))
    return found


def optional() -> set[tuple[str, str]]:
    """What the policy allows for settings and packages that not every node has."""
    video = {('topics subscribe', full(t.topic)) for t in TRANSPORTS.values() if t.is_video}
    return OPTIONAL | video


def full(name: str) -> str:
    return name if name.startswith('/') else f'/{name}'


@pytest.fixture(scope='module')
def done(tmp_path_factory) -> set[tuple[str, str]]:
    """What the running node publishes, subscribes to and answers, before and once it is active."""
    folder = tmp_path_factory.mktemp('policy')
    path = live.small_map(scenes.write_folder(folder / 'images', 2), folder / 'm.folmap')
    found: set[tuple[str, str]] = set()
    with live.localizer(folder / 'node.log', {'map': path}), live.observer() as watch:
        names_and_types = {
            'topics publish': watch.node.get_publisher_names_and_types_by_node,
            'topics subscribe': watch.node.get_subscriber_names_and_types_by_node,
            'services reply': watch.node.get_service_names_and_types_by_node,
            'services request': watch.node.get_client_names_and_types_by_node,
        }

        def look() -> bool:
            for rule, of_node in names_and_types.items():
                found.update((rule, name) for name, _ in of_node('localizer', '/'))
            return bool(allowed() - found <= optional())

        watch.until(lambda: watch.state() == 'unconfigured')
        # A service can be found before the name of the node that answers it.
        watch.until(lambda: 'localizer' in watch.node.get_node_names())
        look()
        assert watch.change('configure')
        assert watch.change('activate')
        # Names arrive one after the other; the test of what is missing says more than a timeout.
        watch.until(look, fail=False)
    return found


def test_the_policy_allows_all_that_the_node_does(done):
    assert done - allowed() == set()


def test_the_policy_allows_nothing_else(done):
    assert allowed() - done <= optional()
