"""What `pip install .` brings, and which packages the documentation names."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from helpers.scenes import write_folder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
# Where files are looked through for commands of pip.
TEXTS = ('docs', 'fol_vpr', 'examples', 'training', 'benchmarks')
# Named for machines that requirements.txt is not for.
OF_OTHER_MACHINES = {'onnxruntime-gpu'}


def declared() -> tuple[list[Requirement], dict[str, list[Requirement]]]:
    """install_requires and extras_require of setup.py, without running it."""
    tree = ast.parse((ROOT / 'setup.py').read_text())
    values = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    (call,) = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == 'setup'
    ]
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    assert ast.unparse(given['install_requires']) == 'RUNNING'
    running = ast.literal_eval(values['RUNNING'])
    extras = ast.literal_eval(given['extras_require'])
    return parsed(running), {name: parsed(lines) for name, lines in extras.items()}


def parsed(lines: list[str]) -> list[Requirement]:
    return [Requirement(line) for line in lines]


def pinned(path: Path, part: str = '') -> list[Requirement]:
    """The lines of a file of requirements; of the part with that heading, where one is named."""
    text = path.read_text()
    if part:
        text = text.partition(f'\n# {part}\n')[2].partition('\n\n')[0]
    lines = (line.partition('#')[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line]


def names(requirements: list[Requirement]) -> set[str]:
    return {canonicalize_name(each.name) for each in requirements}


def test_pip_installs_what_the_package_runs_with():
    running, _ = declared()
    assert names(running) == names(pinned(ROOT / 'requirements.txt', 'Running'))
    assert len(running) == len(names(running))


def test_the_pins_are_within_the_ranges():
    running, extras = declared()
    pins = pinned(ROOT / 'requirements.txt') + pinned(ROOT / 'training' / 'requirements.txt')
    for requirement in [*running, *(each for extra in extras.values() for each in extra)]:
        same = [
            p for p in pins if canonicalize_name(p.name) == canonicalize_name(requirement.name)
        ]
        assert same, f'{requirement.name} is not pinned'
        for pin in same:
            ((operator, version),) = [(s.operator, s.version) for s in pin.specifier]
            assert operator in ('==', '>=') and requirement.specifier.contains(version), str(pin)


def test_what_is_needed_has_a_lower_bound_and_no_pin():
    running, _ = declared()
    assert [str(r) for r in running if [s.operator for s in r.specifier] != ['>=']] == []


def test_the_extras():
    _, extras = declared()
    assert set(extras) == {
        'heif', 'milvus', 'onnx', 'onnxruntime', 'openvino', 'video', 'train', 'test',
    }  # fmt: skip
    assert names(extras['train']) == names(pinned(ROOT / 'training' / 'requirements.txt'))


def commands() -> list[tuple[str, list[str]]]:
    """File and words of every `pip install` in documentation, messages and comments."""
    files = [*ROOT.glob('*.md')]
    files += [f for top in TEXTS for kind in ('*.md', '*.py') for f in (ROOT / top).rglob(kind)]
    found = []
    for file in files:
        # A command ends with its line, its quotation marks, or the sentence.
        text = re.sub(r"'\s*\n\s*'", '', file.read_text())
        for command in re.findall(r'pip install ((?:[^`#\n{;,(]|\[[^\]]*\])+)', text):
            words = [re.sub(r"^['\"]|['\"),.:]+$", '', word) for word in command.split(' ')]
            found.append((str(file.relative_to(ROOT)), [word for word in words if word]))
    return found


def test_the_documentation_names_packages_that_are_there():
    _, extras = declared()
    known = names(pinned(ROOT / 'requirements.txt')) | OF_OTHER_MACHINES
    known |= names(pinned(ROOT / 'training' / 'requirements.txt'))
    seen = commands()
    assert len(seen) > 10
    for file, words in seen:
        is_file = False
        for word in words:
            if is_file:
                assert (ROOT / word).is_file(), (file, word)
            elif match := re.fullmatch(r'\.(?:\[([\w,]+)\])?', word):
                assert set((match[1] or 'test').split(',')) <= set(extras), (file, word)
            elif not word.startswith('-'):
                name = re.match(r'[\w.-]+', word)
                if name is None or canonicalize_name(name[0]) not in known:
                    # The sentence goes on, but the first word has to be a package.
                    assert word is not words[0], (file, words)
                    break
            is_file = word == '-r'


FIVE_LINES = re.compile(r'^```python\n(import fol_vpr\n.*?)^```', re.DOTALL | re.MULTILINE)
MAKE_A_MAP = (
    "import fol_vpr; info = fol_vpr.build_map('photos', 'campus.folmap'); print(info.places)"
)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_fresh_environment_answers_without_ros(tmp_path):
    """`pip install .`, then the five lines of the README in another folder than the checkout."""
    sources = tmp_path / 'checkout'
    listed = subprocess.run(
        ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout.decode().split('\0')  # fmt: skip
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (sources / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, sources / name)
    venv.create(tmp_path / 'venv', with_pip=True)
    programs = tmp_path / 'venv' / 'bin'
    (torch,) = [p for p in pinned(ROOT / 'requirements.txt') if p.name == 'torch']
    environment = {k: v for k, v in os.environ.items() if 'ROS' not in k and k != 'PYTHONPATH'}
    environment |= {'AMENT_PREFIX_PATH': '', 'PATH': f'{programs}:/usr/bin:/bin'}

    def run(*words: str | Path, fails: bool = False) -> str:
        done = subprocess.run(
            [str(programs / words[0]), *words[1:]],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert bool(done.returncode) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    folder = tmp_path / 'elsewhere'
    photos = write_folder(folder / 'photos', 4)
    shutil.copy(photos / 'view002.jpg', folder / 'photo.jpg')
    # The pinned torch, of which a machine without a GPU may have a smaller wheel.
    run(programs / 'pip', 'install', '-q', str(torch))
    run(programs / 'pip', 'install', '-q', sources)
    shutil.rmtree(sources)
    assert run(programs / 'python', '-c', MAKE_A_MAP).splitlines()[-1] == '4'
    (block,) = FIVE_LINES.findall((ROOT / 'README.md').read_text())
    said = run(programs / 'python', '-c', block)
    assert said.startswith('UNKNOWN ') and 'photos/000002' in said
    assert 'photos/000002' in run('fol_vpr', 'query', 'photo.jpg', '--map', 'campus.folmap')
    for words in (('watch',), ('echo', '/localizer/places')):
        (line,) = run('fol_vpr', *words, fails=True).splitlines()
        assert 'ROS' in line


def test_the_programs_of_the_checkout_do_not_ask_for_distributions():
    """colcon's programs name the entry point only: a ROS workspace has NumPy from apt."""
    program = shutil.which('fol_vpr')
    if program is None or sys.prefix == sys.base_prefix:
        pytest.skip('no workspace is sourced')
    assert 'pkg_resources.require' not in Path(program).read_text()
