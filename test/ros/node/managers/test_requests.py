"""Every request for a lifecycle transition is answered, whatever the state of the node."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers import live, scenes
from helpers.nodes.in_process import InProcess
from helpers.nodes.nav2_manager import SEQUENCES, Nav2Manager
from lifecycle_msgs.srv import GetAvailableStates, GetAvailableTransitions

from fol_vpr.ros.node.managers.requests import answer_every_request

WAYS = {
    'unconfigured': (),
    'inactive': ('configure',),
    'active': ('configure', 'activate'),
    'finalized': ('shutdown',),
}
POSSIBLE = {
    'unconfigured': {1: 'configure', 5: 'shutdown'},
    'inactive': {2: 'cleanup', 3: 'activate', 6: 'shutdown'},
    'active': {4: 'deactivate', 7: 'shutdown'},
    'finalized': {},
}
# All of lifecycle_msgs/Transition, and one that does not exist.
IDS = (0, *range(1, 9), *range(10, 63), 97, 98, 99, 255)
LABELS = (
    'create', 'configure', 'cleanup', 'activate', 'deactivate', 'shutdown', 'destroy',
    'transition_success', 'transition_failure', 'transition_error', 'Configure', '\x1b[31mx',
    'x' * 300,
)  # fmt: skip


@pytest.fixture(scope='module')
def path(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('transitions')
    return live.small_map(scenes.write_folder(folder / 'images', 2), folder / 'm.folmap')


@contextlib.contextmanager
def node_in(state: str, path: Path) -> Iterator[tuple[InProcess, Nav2Manager]]:
    with live.observer() as watch, contextlib.closing(InProcess(watch, map=str(path))) as made:
        made.change(*WAYS[state])
        yield made, Nav2Manager(watch)


@pytest.mark.parametrize('state', WAYS)
def test_a_transition_that_the_state_does_not_allow_is_answered(state, path, capfd):
    with node_in(state, path) as (_, manager):
        wrong_ids = [each for each in IDS if each not in POSSIBLE[state]]
        wrong_labels = [each for each in LABELS if each not in POSSIBLE[state].values()]
        capfd.readouterr()
        assert not any(manager.change(id) for id in wrong_ids)
        assert not any(manager.change(label=label) for label in wrong_labels)
        # As in rclpy, the label decides where there is one.
        assert not any(manager.change(id, 'nonsense') for id in POSSIBLE[state])
        assert manager.state() == state
        log = capfd.readouterr().err
    lines = log.splitlines()
    asked = len(wrong_ids) + len(wrong_labels) + len(POSSIBLE[state])
    assert len(lines) == asked, log
    assert all('refused the transition' in line and state in line for line in lines)
    assert '\x1b[31mx' not in log and max(map(len, lines)) < 300
    for id, label in POSSIBLE[state].items():
        assert f'{label} ({id})' in lines[0]


@pytest.mark.parametrize('state', WAYS)
def test_what_a_node_can_do_is_told_in_every_state(state, path):
    with node_in(state, path) as (made, _):
        call = made.watch.call
        request = GetAvailableTransitions.Request()
        found = call(GetAvailableTransitions, 'get_available_transitions', request)
        assert {
            each.transition.id: each.transition.label for each in found.available_transitions
        } == POSSIBLE[state]
        graph = call(GetAvailableTransitions, 'get_transition_graph', request)
        assert len(graph.available_transitions) > 20
        states = call(GetAvailableStates, 'get_available_states', GetAvailableStates.Request())
        assert {each.label for each in states.available_states} >= set(WAYS)


def test_the_sequences_of_nav2_are_answered_from_every_state(path):
    """Each from each state; what the manager calls a success is what the state allowed."""
    successes = {
        'unconfigured': {'startup', 'configure'},
        'inactive': {'cleanup', 'resume'},
        'active': {'pause', 'reset', 'shutdown'},
    }
    goals = {
        'startup': 'active', 'configure': 'inactive', 'cleanup': 'unconfigured',
        'pause': 'inactive', 'resume': 'active', 'reset': 'unconfigured',
    }  # fmt: skip
    with node_in('unconfigured', path) as (made, manager):
        for state, expected in successes.items():
            for sequence in SEQUENCES:
                if sequence == 'shutdown':
                    continue
                bring_to(made, state)
                assert manager.run(sequence) == (sequence in expected), (state, sequence)
                where = goals[sequence] if sequence in expected else state
                # A manager whose first step succeeded stops at the second.
                assert manager.state() == where, (state, sequence)


def bring_to(made: InProcess, state: str) -> None:
    if made.state == 'active' and state != 'active':
        made.change('deactivate')
    if made.state == 'inactive' and state == 'unconfigured':
        made.change('cleanup')
    for label in WAYS[state][list(WAYS).index(made.state) :]:
        made.change(label)


@pytest.mark.parametrize('state', WAYS)
def test_the_shutdown_of_nav2_ends_every_state_in_finalized(state, path):
    with node_in(state, path) as (_, manager):
        assert manager.run('shutdown') == (state == 'active')
        assert manager.state() == 'finalized'
        assert not manager.run('startup') and not manager.run('reset')


def test_the_shutdown_of_nav2_after_a_configure_that_failed(path):
    with node_in('unconfigured', path) as (made, manager):
        made.set({'map': '/nowhere/x.folmap'})
        assert not manager.run('startup')
        assert manager.state() == 'unconfigured'
        assert not manager.run('resume') and not manager.run('pause')
        made.set({'map': str(path)})
        assert manager.run('startup')
        assert manager.run('shutdown')


def test_a_manager_meets_a_node_that_has_started_itself(path, tmp_path):
    """It may come while the node still configures: its request waits, and is answered."""
    parameters = {'map': path, 'autostart': True}
    with live.observer() as watch, live.localizer(tmp_path / 'log', parameters) as node:
        manager = Nav2Manager(watch)
        assert not manager.run('startup')
        assert manager.state() == 'active'
        assert manager.run('pause') and manager.run('resume')
        assert manager.run('reset') and manager.run('startup') and manager.run('shutdown')
        log = node.log.read_text()
    assert log.count('refused the transition') == 1 and 'defect' not in log
    assert 'Traceback' not in log


def test_autostart_leaves_a_node_alone_that_a_manager_has_configured(path, capfd):
    with node_in('inactive', path) as (made, manager):
        made.node._starter = SimpleNamespace(cancel=lambda: None)
        made.node._autostart()
        assert manager.state() == 'inactive'
        assert 'a lifecycle manager was faster' in capfd.readouterr().err


def test_a_transition_whose_callback_raises_is_answered(path, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError('on purpose')

    with node_in('inactive', path) as (made, manager):
        monkeypatch.setattr(made.node, '_activate', fail)
        assert not manager.change(label='activate')
        assert manager.state() == 'inactive'
        # What is outside of the part that is watched, as in the entities of rclpy.
        monkeypatch.setattr(made.node, '_run_transition', fail)
        assert not manager.change(label='activate')
        assert manager.state() == 'finalized'
        assert not manager.change(label='configure')


@pytest.mark.parametrize('label', ['deactivate', 'cleanup'])
def test_after_a_failed_way_back_the_node_can_be_configured_again(label, path, monkeypatch):
    state = 'active' if label == 'deactivate' else 'inactive'
    with node_in(state, path) as (made, manager):
        name = '_listen' if label == 'deactivate' else '_relocalize'
        failures = [RuntimeError('on purpose')]
        original = getattr(made.node, name)

        def once(*values: object) -> None:
            if failures:
                raise failures.pop()
            original(*values)

        if label == 'deactivate':
            monkeypatch.setattr(made.node, name, once)
        else:
            monkeypatch.setattr(original, 'interrupt', lambda _: once() if failures else None)
        assert not manager.change(label=label)
        assert manager.state() == 'unconfigured'
        assert made.node.node_context.runtime is None
        assert 'on purpose' in made.node.node_context.failure
        assert manager.run('startup')


def test_a_change_that_rclpy_itself_fails_at_is_answered(path, monkeypatch):
    with node_in('unconfigured', path) as (made, manager):

        def fail(_change: object) -> None:
            raise RuntimeError('on purpose')

        answer_every_request(made.node, fail)
        assert not manager.change(label='configure')
