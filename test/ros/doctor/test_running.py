"""What is found of a localizer that runs, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import live

from fol_vpr.checks.topics.examination import examine_topics
from fol_vpr.errors import InputError
from fol_vpr.ros.doctor.gathering import Gathered, gather
from fol_vpr.ros.doctor.target import Wishes

PATIENCE = 20


def gathered(condition: Callable[[Gathered], bool], **wishes) -> Gathered:
    """What is gathered once a condition holds."""
    results: list[Gathered] = []
    for _ in range(PATIENCE):
        gather(Wishes(seconds=1.0, **wishes), results.append)
        if condition(results[-1]):
            return results[-1]
    raise AssertionError(f'last: {results[-1].facts}')


def state(found: Gathered) -> str:
    return found.facts.localizers[0].state if found.facts.localizers else ''


def test_a_running_node_is_examined_with_its_own_settings(tmp_path: Path):
    parameters = {
        'autostart': True,
        'use_sim_time': True,
        'base_frame': 'front_optical_frame',
        'network.input_size': 126,
        'qos_overrides./front/image.subscription.reliability': 'reliable',
    }
    remapped = ('-r', 'image:=/front/image', '-r', 'camera_info:=/front/camera_info')
    name = ('-r', '__ns:=/robot1')
    with live.localizer(tmp_path / 'log', parameters, *remapped, *name):
        found = gathered(
            lambda f: (
                state(f) == 'active'
                and bool(f.facts.localizers[0].statuses)
                and f.target.image_topic == '/front/image'
            )
        )
        target = found.target
        assert target.localizer.name == '/robot1/localizer'
        assert target.camera_info_topic == '/front/camera_info'
        assert target.odom_topic == '/robot1/odom'
        assert target.settings.node.base_frame == 'front_optical_frame'
        assert target.settings.network.input_size == 126
        asked = target.requested_qos('raw', '/front/image')
        assert asked.reliability.name == 'RELIABLE'
        findings = {each.key: each for each in examine_topics(found.facts)}
        assert findings['node.state'].seen == '/robot1/localizer is active'
        assert findings['node.diagnostics'].severity.value == 'error'
        assert findings['clock.missing'].command == (
            'ros2 param set /robot1/localizer use_sim_time false'
        )
        assert 'frames.optical_base' in findings

        other = gathered(
            lambda f: state(f) == 'active',
            values={'base_frame': 'base_link'}, image_topic='rear/image', namespace='robot1',
        )  # fmt: skip
        assert other.target.settings.node.base_frame == 'base_link'
        assert other.target.image_topic == '/robot1/rear/image'
        file = gathered(lambda f: state(f) == 'active', given=True)
        assert file.target.localizer is None
        with pytest.raises(InputError, match='no localizer /robot2/localizer'):
            gather(Wishes(node='/robot2/localizer'), lambda _: None)


def test_a_node_that_waits_for_its_manager(tmp_path: Path):
    with live.localizer(tmp_path / 'log', {'network.input_size': 126}):
        found = gathered(lambda f: state(f) == 'unconfigured')
    findings = {each.key: each for each in examine_topics(found.facts)}
    assert findings['node.state'].command == 'ros2 lifecycle set /localizer configure'
