"""The bond with nav2's lifecycle manager, by the real bondpy."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import pytest
from helpers import live
from helpers.nodes.in_process import InProcess

NETWORK = {'network.weights': 'untrained-vits14', 'network.input_size': 126}


def test_a_bond_forms_at_activation_and_breaks_at_deactivation(capfd):
    """More often than once: bondpy keeps subscriptions and publishers of its own."""
    bondpy = pytest.importorskip('bondpy.bondpy', reason='ros-jazzy-bondpy is not installed')
    with live.observer() as watch, contextlib.closing(InProcess(watch, **NETWORK)) as made:
        node = made.node

        def owned() -> tuple[int, int]:
            return len(list(node.publishers)), len(list(node.subscriptions))

        made.change('configure')
        before = owned()
        for _ in range(3):
            # As the manager does: it makes its end when the node has become active.
            made.change('activate')
            manager = bondpy.Bond(watch.node, 'bond', 'localizer')
            check_formed(watch, manager)
            made.change('deactivate')
            watch.until(manager.is_broken)
            assert owned() == before
            watch.node.destroy_subscription(manager.sub)
            watch.node.destroy_publisher(manager.pub)
        assert 'has formed a bond' in capfd.readouterr().err


def check_formed(watch: live.Observer, manager: Any) -> None:
    manager.heartbeat_timeout = 4.0
    manager.start()
    watch.until(lambda: manager.sm.getState().getName() == 'SM.Alive')
    watch.spin(0.5)
    assert not manager.is_broken()


def test_without_bondpy_it_says_so_once(capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, 'bondpy.bondpy', None)
    with live.observer() as watch, contextlib.closing(InProcess(watch, **NETWORK)) as made:
        made.change('configure', 'activate', 'deactivate', 'activate')
        log = capfd.readouterr().err
    assert log.count('bondpy is not installed') == 1 and 'bond_timeout: 0.0' in log
