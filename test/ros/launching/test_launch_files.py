"""The launch files, as they are read: everywhere, without `launch`."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest

from fol_vpr.ros.launching import arguments as shared

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
NAMES = [path.name for path in FILES]


def test_there_are_launch_files():
    assert 'localize.launch.py' in NAMES


@pytest.mark.parametrize('path', FILES, ids=NAMES)
def test_it_defines_what_launch_looks_for(path):
    tree = ast.parse(path.read_text())
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert 'generate_launch_description' in functions
    assert f'ros2 launch fol_vpr {path.name}' in (ast.get_docstring(tree) or '')


@pytest.mark.parametrize('path', FILES, ids=NAMES)
def test_what_it_imports_is_there(path):
    """Names are looked up in the source, because importing it needs `launch`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not (node.module or '').startswith('fol_vpr'):
            continue
        source = ROOT.joinpath(*node.module.split('.')).with_suffix('.py')
        defined = {
            name
            for each in ast.parse(source.read_text()).body
            for name in (
                [each.name]
                if isinstance(each, ast.FunctionDef | ast.ClassDef)
                else [target.id for target in getattr(each, 'targets', [])]
            )
        }
        assert {alias.name for alias in node.names} <= defined


def test_what_they_share_needs_neither_torch_nor_rclpy():
    """`ros2 launch` imports it, on a machine that may only start the node."""
    for path in (ROOT / 'fol_vpr' / 'ros' / 'launching').glob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert (node.module or '').split('.')[0] not in ('torch', 'rclpy', 'numpy')
    assert importlib.util.find_spec('fol_vpr.ros.launching.arguments') is not None


def documented(heading: str) -> list[str]:
    """Names in the first column of the table under a heading of the page on launch files."""
    text = (ROOT / 'docs' / 'how-to' / 'launch.md').read_text()
    section = text.partition(f'\n## {heading}\n')[2].partition('\n## ')[0]
    return re.findall(r'^\| `(\w+)`', section, re.MULTILINE)


def test_the_arguments_of_the_node_are_documented():
    common = [each.name for each in shared.common_arguments(Path('/share'))]
    others = [shared.AUTOSTART, shared.REPLAY, *shared.SUPERVISION]
    assert documented('Arguments of the node') == ['map', *common, *(each.name for each in others)]
