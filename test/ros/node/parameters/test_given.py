"""What wins among parameter files and -p, by the real rclpy, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import rclpy
import yaml
from rclpy.node import Node

from fol_vpr.ros.node.parameters.given import (
    given_parameters,
    ineffective_parameters,
    is_for,
)

X, Y = 'odom_gap', 'debug_height'


@pytest.fixture
def outcome(tmp_path) -> Callable[..., tuple[object, list[str]]]:
    """Starts a real node; returns the value of X that rclpy found for it, and what is told."""

    def start(*given: str | dict, namespace: str = '') -> tuple[object, list[str]]:
        words = ['localizer', '--ros-args']
        for number, each in enumerate(given):
            if isinstance(each, str):
                words += ['-p', each]
            else:
                file = Path(tmp_path, f'{number}.yaml')
                content = {node: {'ros__parameters': values} for node, values in each.items()}
                file.write_text(yaml.safe_dump(content, sort_keys=False))
                words += ['--params-file', str(file)]
        rclpy.init(args=words)
        node = Node('localizer', namespace=namespace)
        try:
            node.declare_parameter(X, 0.0)
            node.declare_parameter(Y, 0)
            return node.get_parameter(X).value, ineffective_parameters(node, words)
        finally:
            node.destroy_node()
            rclpy.shutdown()

    return start


def named(value: float, **more: object) -> dict:
    return {'localizer': {X: value, **more}}


def wild(value: float, **more: object) -> dict:
    return {'/**': {X: value, **more}}


# The table in docs/reference/parameters.md: what is given, in this order, and the value in force.
TABLE = {
    '`/**` in a file, `-p`': ((wild(1.0), f'{X}:=2.0'), 2.0),
    '`localizer` in a file, `-p`': ((named(1.0), f'{X}:=2.0'), 2.0),
    '`localizer` and then `/**` in a file, `-p`': (
        ({**named(1.0), '/**': {Y: 300}}, f'{X}:=2.0'),
        2.0,
    ),
    '`/**` in a file, `/**` in a second one': ((wild(1.0), wild(2.0)), 2.0),
    '`localizer` in a file, `localizer` in a second one': ((named(1.0), named(2.0)), 2.0),
    '`localizer` in a file, `/**` in a second one': ((named(1.0), wild(2.0)), 2.0),
    '`/**` in a file, `localizer` in a second one': ((wild(1.0), named(2.0)), 2.0),
    '`/**` and then `localizer` in a file': (({**wild(1.0), **named(2.0)},), 2.0),
    '`/**` and then `localizer` in a file, `-p localizer:`': (
        ({**wild(1.0), **named(1.5)}, f'localizer:{X}:=2.0'),
        2.0,
    ),
    'a `-p`, `localizer` in a file': ((f'{X}:=1.0', named(2.0)), 2.0),
}
BEATEN = {
    '`/**` and then `localizer` in a file, `-p`': (
        ({**wild(1.0), **named(1.5)}, f'{X}:=2.0'),
        1.5,
        f'-p localizer:{X}:=',
    ),
    '`/**` for any parameter and then `localizer` in a file, `-p`': (
        ({'/**': {Y: 300}, **named(1.0)}, f'{X}:=2.0'),
        1.0,
        f'-p localizer:{X}:=',
    ),
    'another `-p`, `localizer` in a file, `-p`': (
        (f'{Y}:=300', named(1.0), f'{X}:=2.0'),
        1.0,
        f'-p localizer:{X}:=',
    ),
    '`localizer` and then `/**` in a file': (({**named(2.0), **wild(1.0)},), 1.0, 'one'),
    '`localizer` and then `/**` in a file, `localizer` in a second one': (
        ({**named(0.5), **wild(1.0)}, named(2.0)),
        1.0,
        'Write both under the same name',
    ),
    '`localizer` and then `/**` in a file, `-p localizer:`': (
        ({**named(0.5), **wild(1.0)}, f'localizer:{X}:=2.0'),
        1.0,
        f'Give `-p {X}:=',
    ),
    '`/**` and then `localizer` in a file, `/**` in a second one': (
        ({**wild(1.0), **named(1.5)}, wild(2.0)),
        1.5,
        'Write both under the same name',
    ),
}


@pytest.mark.parametrize('case', TABLE)
def test_what_is_given_last_wins_and_nothing_is_told(case, outcome):
    given, expected = TABLE[case]
    assert outcome(*given) == (expected, [])


@pytest.mark.parametrize('case', BEATEN)
def test_what_is_beaten_by_something_earlier_is_told_with_the_remedy(case, outcome):
    given, expected, remedy = BEATEN[case]
    value, (text,) = outcome(*given)
    assert value == expected
    assert f'parameter {X} is {expected}' in text and 'and not 2.0' in text and remedy in text


def test_the_page_has_the_table():
    page = Path(__file__).resolve().parents[4] / 'docs' / 'reference' / 'parameters.md'
    text = page.read_text()
    for case in (*TABLE, *BEATEN):
        assert f'| {case} |' in text, case


def test_the_remedies_help(outcome):
    both = {**wild(1.0), **named(1.5)}
    assert outcome(both, f'localizer:{X}:=2.0')[0] == 2.0
    assert outcome({**named(0.5), **wild(1.0)}, f'{X}:=2.0') == (2.0, [])


@pytest.mark.parametrize(
    ('pattern', 'namespace'),
    [
        ('localizer', 'robot1'),
        ('/localizer', '/a/b'),
        ('localiser', ''),
        ('/robot2/localizer', ''),
    ],
)
def test_what_is_for_another_node_is_told(pattern, namespace, outcome):
    value, (text,) = outcome({pattern: {X: 2.0}}, namespace=namespace)
    assert value == 0.0
    assert f'is for `{pattern}`' in text and 'write `/**` or `/' in text and X in text


def test_a_p_for_the_bare_name_does_not_reach_a_node_in_a_namespace(outcome):
    value, (text,) = outcome(f'localizer:{X}:=2.0', namespace='robot1')
    assert value == 0.0 and 'leave out `localizer:`' in text


def test_a_file_for_many_nodes_is_not_told(outcome):
    """That a launch file gives every node the file of all is usual."""
    others = {'amcl': {Y: 3, 'use_sim_time': True}, '/planner': {'use_sim_time': True}}
    assert outcome(others) == (0.0, [])
    assert outcome({**others, **named(2.0)}) == (2.0, [])


@pytest.mark.parametrize(
    ('first', 'second'), [('1e3', 1000.0), ('.5', 0.5), ('1.', 1.0), ('.inf', float('inf'))]
)
def test_values_are_compared_as_rcl_reads_them(first, second, outcome):
    value, told = outcome({'/**': {Y: 1}, **named(second)}, f'{X}:={first}')
    assert (value, told) == (second, [])


@pytest.mark.parametrize('namespace', ['', 'robot1', '/a/b'])
@pytest.mark.parametrize(
    'pattern',
    ['/**', '/*', '/**/**', '/*/*', '/**/localizer', '/*/localizer', 'localizer', '/localizer',
     '/robot1/localizer', 'robot1/localizer', '/a/**', '/a/*/localizer', '/localize', '/a/b/*'],
)  # fmt: skip
def test_patterns_match_as_in_rclpy(pattern, namespace, outcome):
    value, _ = outcome({pattern: {X: 2.0}}, namespace=namespace)
    node = f'/{namespace.strip("/")}/localizer'.replace('//', '/')
    assert is_for(pattern, node) == (value == 2.0)


def test_nested_names_of_namespaces_and_parameters_are_joined(tmp_path):
    file = tmp_path / 'p.yaml'
    file.write_text('robot1:\n  localizer:\n    ros__parameters:\n      network: {weights: a}\n')
    words = ['x', '-p', 'before:=1', '--ros-args', '--params-file', str(file), '-p', 'n:a.b:=2']
    found = given_parameters([*words, '--', '-p', 'after:=1'])
    assert [(each.name, each.value, each.pattern) for each in found] == [
        ('network.weights', 'a', 'robot1/localizer'),
        ('a.b', 2, 'n'),
    ]
