"""Who may import whom: read from the sources, without running them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'fol_vpr'
FOLDERS = ('fol_vpr', 'training', 'benchmarks', 'examples', 'test')

BASE = {'datatypes', 'errors', 'config', 'files', 'json_text', 'compiled', 'compiled_tiles'}
BASE |= {'openmp', 'threads', 'versions'}
# One floor, whose parts do not know each other.
PARTS = {'network', 'database', 'retrieval', 'decision', 'sources'}
MAPS = {'mapping', 'loop_closure', 'recognizer'}
MAY_IMPORT = {
    'datatypes': BASE,
    'errors': BASE,
    'files': BASE,
    'json_text': BASE,
    'compiled': BASE,
    'compiled_tiles': BASE,
    'openmp': BASE,
    'threads': BASE,
    'versions': BASE,
    'config': BASE,
    'geometry': BASE,
    'pictures': BASE,
    'monitoring': BASE,
    'network': BASE,
    'database': BASE,
    'retrieval': BASE,
    'sources': BASE | {'geometry'},
    'decision': BASE | {'geometry'},
    'checks': BASE | {'geometry', 'sources'},
    'mapping': BASE | PARTS | {'geometry'},
    'loop_closure': BASE | PARTS | {'geometry', 'mapping'},
    'recognizer': BASE | PARTS | {'geometry', 'mapping', 'loop_closure'},
    'evaluation': BASE | MAPS | {'pictures', 'sources'},
    'reporting': BASE | MAPS | {'database', 'evaluation', 'geometry', 'pictures', 'sources'},
    'calibration': BASE | MAPS | {'database', 'decision', 'evaluation', 'sources'},
    'ros': BASE | MAPS | {'checks', 'geometry', 'evaluation', 'monitoring', 'pictures', 'sources'},
    'cli': BASE
    | MAPS
    | {'checks', 'evaluation', 'calibration', 'monitoring', 'pictures', 'reporting', 'sources'}
    | {'ros'},
}
# Exceptions: a verb may use the part that it is about.
VERBS = {
    'cli/weights.py': {'network'},
    'cli/completion/completers.py': {'network'},
    'cli/export.py': {'network'},
    'cli/explain/command.py': {'network'},
    'cli/map.py': {'database'},
    'cli/maps/changes.py': {'database'},
    'cli/maps/show.py': {'database'},
    'cli/doctor/gathering/probe.py': {'network'},
}
# What `fol_vpr` offers by itself. test_the_bare_import_is_light holds that it is imported late.
OFFERED = {'datatypes', 'errors', 'mapping', 'recognizer', 'sources'}
# What `ros2 run` starts has to end a process as well.
PROGRAMS = {PACKAGE / 'ros' / 'node' / 'main.py'}


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob('*.py'))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything that the module at `path` imports."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path}:{node.lineno} imports relatively'
            for alias in node.names:
                yield node.lineno, f'{node.module}.{alias.name}'
        elif isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
            literal = isinstance(node.args[0], ast.Constant) and node.args[0].value
            if name in ('import_module', '__import__') and literal:
                yield node.lineno, str(literal)


def part_of(name: str) -> str:
    """The part of fol_vpr that a dotted name points into, empty for anything else."""
    words = name.split('.')
    return words[1] if words[0] == 'fol_vpr' and len(words) > 1 else ''


def offences(rule) -> list[str]:
    """`file:line imports name` for every import in the package that `rule(path, name)` forbids."""
    return [
        f'{path.relative_to(ROOT)}:{line} imports {name}'
        for path in modules(PACKAGE)
        for line, name in imports(path)
        if rule(path.relative_to(PACKAGE), name)
    ]


def test_parts_import_only_what_lies_below_them():
    def forbidden(path: Path, name: str) -> bool:
        own = path.parts[0].removesuffix('.py')
        target = part_of(name)
        if own == '__init__' or not target or target.startswith('__'):
            return own == '__init__' and target not in {'', *OFFERED}
        allowed = MAY_IMPORT[own] | {own} | VERBS.get(path.as_posix(), set())
        return target not in allowed

    assert offences(forbidden) == []


def test_every_part_has_its_rule():
    parts = {path.name.removesuffix('.py') for path in PACKAGE.iterdir() if path.suffix == '.py'}
    parts |= {path.parent.name for path in PACKAGE.glob('*/__init__.py')}
    assert parts - {'__init__'} == set(MAY_IMPORT)


def test_no_file_imports_itself_by_way_of_others():
    """Imports under TYPE_CHECKING and within functions count as well."""
    files = {
        '.'.join(path.relative_to(ROOT).with_suffix('').parts): path for path in modules(PACKAGE)
    }

    def targets(path: Path) -> Iterator[str]:
        for _, name in imports(path):
            if part_of(name) or name == 'fol_vpr':
                # A name is a file or a package, or what the one before its last dot defines.
                nearest = (name, f'{name}.__init__', before := name.rpartition('.')[0])
                yield from [f for f in (*nearest, f'{before}.__init__') if f in files][:1]

    graph = {name: sorted(set(targets(path)) - {name}) for name, path in files.items()}
    assert circle_in(graph) == []


def circle_in(graph: dict[str, list[str]]) -> list[str]:
    """The nodes of a circle in their order, empty where there is none."""
    done: set[str] = set()

    def walk(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in done:
            return []
        for target in graph[node]:
            if found := walk(target, [*way, node]):
                return found
        done.add(node)
        return []

    return next((found for node in graph if (found := walk(node, []))), [])


def test_a_circle_is_found():
    assert circle_in({'a': ['b'], 'b': ['c'], 'c': ['b'], 'd': []}) == ['b', 'c', 'b']
    assert circle_in({'a': ['b', 'c'], 'b': ['c'], 'c': []}) == []


def test_no_folder_holds_more_than_a_dozen_files():
    folders = {path.parent for top in FOLDERS for path in modules(ROOT / top)}
    counts = {
        str(folder.relative_to(ROOT)): len(
            [p for p in folder.glob('*.py') if p.stem != '__init__']
        )
        for folder in folders
    }
    assert {folder: count for folder, count in counts.items() if count > 12} == {}


@pytest.mark.parametrize(
    ('library', 'homes'),
    [
        ('rclpy', {'ros'}),
        ('tf2_ros', {'ros'}),
        ('tf2_msgs', {'ros'}),
        ('yaml', {'sources', 'ros'}),
        ('fol_vpr_msgs', {'ros'}),
        ('torch', {'network', 'retrieval'}),
        ('faiss', {'retrieval'}),
        ('sklearn', {'calibration', 'mapping'}),
        ('scipy', {'calibration', 'evaluation'}),
        ('pymilvus', {'retrieval'}),
        ('sqlite3', {'database', 'sources'}),
        ('rich', {'cli'}),
        ('plotly', {'reporting'}),
        ('jinja2', {'reporting'}),
        ('rosbags', {'sources', 'evaluation', 'ros'}),
        ('pickle', set()),
        ('training', set()),
        ('benchmarks', set()),
    ],
)
def test_a_library_is_imported_only_where_it_belongs(library: str, homes: set[str]):
    def forbidden(path: Path, name: str) -> bool:
        own = path.parts[0].removesuffix('.py')
        return name.split('.')[0] == library and own not in homes

    assert offences(forbidden) == []


def test_only_the_command_line_prints_or_exits():
    def calls(path: Path) -> Iterator[str]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                if name in ('print', 'exit', 'quit', 'sys.exit', 'os._exit'):
                    yield f'{path.relative_to(ROOT)}:{node.lineno} calls {name}'

    parts = [path for path in modules(PACKAGE) if 'cli' not in path.parts]
    assert [call for path in parts if path not in PROGRAMS for call in calls(path)] == []


def test_the_bare_import_is_light():
    slow = {'torch', 'rclpy', 'cv2', 'faiss', 'pymilvus', 'sklearn', 'scipy', 'plotly', 'jinja2'}
    heavy = f'{slow} & set(sys.modules)'
    script = f'import sys, fol_vpr, fol_vpr.cli.main; sys.exit(str({heavy}) if {heavy} else 0)'
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr


def test_importing_any_module_but_the_node_needs_no_ros():
    offline = [path for path in modules(PACKAGE) if 'ros' not in path.relative_to(PACKAGE).parts]
    names = ['.'.join(path.relative_to(ROOT).with_suffix('').parts) for path in offline]
    script = (
        'import importlib, sys; sys.modules["rclpy"] = None\n'
        f'for name in {names!r}: importlib.import_module(name.removesuffix(".__init__"))'
    )
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr


# What training may import of the package, and what its parts may import of each other.
TRAINING = ROOT / 'training'
TRAINING_MAY_IMPORT = BASE | MAPS | {'network', 'sources', 'evaluation', 'pictures', 'cli'}
TRAINING_PARTS = ('town', 'losses', 'data')


def test_training_imports_only_what_it_may_of_the_package():
    found = [
        f'{path.relative_to(ROOT)}:{line} imports {name}'
        for path in modules(TRAINING)
        for line, name in imports(path)
        if (target := part_of(name)) and target not in TRAINING_MAY_IMPORT
    ]
    assert found == []


@pytest.mark.parametrize('part', TRAINING_PARTS)
def test_parts_of_training_do_not_know_each_other(part: str):
    found = [
        f'{path.relative_to(ROOT)}:{line} imports {name}'
        for path in modules(TRAINING / part)
        for line, name in imports(path)
        if name.startswith('training.') and name.split('.')[1] != part
    ]
    assert found == []


@pytest.mark.parametrize(
    ('part', 'libraries'),
    [('town', {'torch', 'pytorch_lightning'}), ('losses', {'pytorch_lightning', 'cv2'})],
)
def test_parts_of_training_stay_light(part: str, libraries: set[str]):
    """The demo renders the town where nothing of training is installed."""
    found = [
        f'{path.relative_to(ROOT)}:{line} imports {name}'
        for path in modules(TRAINING / part)
        for line, name in imports(path)
        if name.split('.')[0] in libraries
    ]
    assert found == []


def test_of_training_only_the_commands_print():
    def prints(path: Path) -> Iterator[str]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ('print', 'sys.exit'):
                yield f'{path.relative_to(ROOT)}:{node.lineno}'

    parts = [
        path for path in modules(TRAINING)
        if 'commands' not in (path.parent.name, path.stem) and path.stem != '__main__'
    ]  # fmt: skip
    assert [line for path in parts for line in prints(path)] == []


# What each folder of tests mirrors.
TESTS = ROOT / 'test'
MIRRORS = {name: ROOT / name for name in ('training', 'examples', 'benchmarks', 'docs')}
# Helpers of tests, and tests of the two ROS packages as a whole.
MIRRORS_NOTHING = {'helpers', 'packaging'}


def test_no_test_module_imports_another():
    found = [
        f'{path.relative_to(ROOT)}:{line} imports {name}'
        for path in modules(TESTS)
        for line, name in imports(path)
        if any(word.startswith('test_') for word in name.split('.')[:-1])
        or (name.startswith('test_') and '.' not in name)
    ]
    assert found == []


def test_no_import_of_a_test_comes_late():
    """conftest.py leaves out the modules whose libraries are missing, so none needs to."""
    late = 'noqa: ' + 'E402'
    assert [str(p.relative_to(ROOT)) for p in modules(TESTS) if late in p.read_text()] == []


def test_tests_lie_as_what_they_test():
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob('test_*.py')}
    folders -= {Path()}
    assert len(folders) > 20
    missing = [
        str(folder)
        for folder in sorted(folders)
        if folder.parts[0] not in MIRRORS_NOTHING
        and not MIRRORS.get(folder.parts[0], PACKAGE / folder.parts[0])
        .joinpath(*folder.parts[1:])
        .is_dir()
    ]
    assert missing == []
