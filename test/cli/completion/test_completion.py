"""Completion, asked by real shells as they ask at TAB."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.scenes import write_folder

from fol_vpr.sources.bags.writing.from_images import write_bag_from_images

ROOT = Path(__file__).resolve().parents[3]
# Completes the line $1 as bash does: by the function that `complete` has registered.
BASH = """
eval "$(fol_vpr completion bash)"
COMP_LINE="$1" COMP_POINT=${#1} COMP_TYPE=9
read -ra COMP_WORDS <<< "$1"
[[ $1 == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
function=$(complete -p fol_vpr | sed -E 's/.*-F ([^ ]+).*/\\1/')
$function fol_vpr "${COMP_WORDS[COMP_CWORD]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope='module')
def workplace(tmp_path_factory):
    """A folder with a program `fol_vpr` that runs this code, a map's name, a bag and pictures."""
    folder = tmp_path_factory.mktemp('completion')
    program = folder / 'bin' / 'fol_vpr'
    program.parent.mkdir()
    program.write_text(
        f'#!{sys.executable}\nimport sys\nfrom fol_vpr.cli.main import main\nsys.exit(main())\n'
    )
    program.chmod(0o755)
    write_folder(folder / 'pictures', 2)
    write_bag_from_images(folder / 'pictures', folder / 'drive', rate=1.0, topic='/front/image')
    (folder / 'a.folmap').touch()
    (folder / 'notes.txt').touch()
    return folder


def environment(folder: Path) -> dict[str, str]:
    path = f'{folder / "bin"}{os.pathsep}{os.environ["PATH"]}'
    python = os.pathsep.join(filter(None, (str(ROOT), os.environ.get('PYTHONPATH'))))
    return {**os.environ, 'PATH': path, 'PYTHONPATH': python, 'TERM': 'dumb'}


def offered(folder: Path, line: str) -> set[str]:
    done = subprocess.run(
        ['bash', '-c', BASH, 'bash', line],
        cwd=folder, env=environment(folder), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {word.strip() for word in done.stdout.splitlines()}


@pytest.mark.parametrize(
    ('line', 'among'),
    [
        ('fol_vpr ', {'map', 'query', 'evaluate', 'completion'}),
        ('fol_vpr map in', {'info'}),
        ('fol_vpr map build ', {'--bag', '--images', '--output', '--quiet'}),
        ('fol_vpr map build --scale ', {'room', 'building', 'street'}),
        ('fol_vpr query --camera', {'--camera', '--camera-name', '--camera-mount'}),
        ('fol_vpr query --candi', {'--candidates'}),
        ('fol_vpr query --weights fol', {'fol_tiny'}),
        ('fol_vpr weights fetch vit', {'vitb14', 'vitl14'}),
        ('fol_vpr map info ', {'a.folmap', 'pictures/'}),
        ('fol_vpr map build --images ', {'pictures/', 'drive/', 'bin/'}),
        ('fol_vpr map build --bag drive --image-topic /', {'/front/image'}),
        ('fol_vpr completion ', {'bash', 'zsh', 'fish', 'tcsh'}),
    ],
)
def test_bash_is_offered(workplace, line, among):
    found = offered(workplace, line)
    assert among <= found
    assert 'notes.txt' not in found


def test_bash_is_offered_topics_of_the_bag_alone(workplace):
    assert offered(workplace, 'fol_vpr map build --bag drive --image-topic ') == {'/front/image'}
    assert offered(workplace, 'fol_vpr map build --bag bin --image-topic ') == {''}


@pytest.mark.skipif(shutil.which('fish') is None, reason='fish is not installed')
def test_fish_is_offered(workplace):
    script = 'fol_vpr completion fish | source; complete -C "fol_vpr map info a"'
    done = subprocess.run(
        ['fish', '--no-config', '-c', script],
        cwd=workplace, env=environment(workplace), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ['a.folmap']


@pytest.mark.skipif(shutil.which('zsh') is None, reason='zsh is not installed')
def test_zsh_completes(workplace):
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(workplace)
        os.execvpe('zsh', ['zsh', '-f', '-i'], environment(workplace))
    told = b''

    def read_until(words: bytes) -> None:
        nonlocal told
        deadline = time.monotonic() + 60
        while words not in told and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.1)[0]:
                told += os.read(terminal, 65536)

    try:
        os.write(terminal, b'autoload -Uz compinit; compinit -u -D\n')
        os.write(terminal, b'eval "$(fol_vpr completion zsh)"; echo rea""dy\n')
        read_until(b'ready')
        os.write(terminal, b'fol_vpr map info a\t')
        read_until(b'a.folmap')
        assert b'a.folmap' in told
    finally:
        os.write(terminal, b'\x15exit\n')
        os.close(terminal)
        os.waitpid(process, 0)


def test_without_the_library_completion_says_what_to_install(workplace):
    script = (
        'import sys; sys.modules["argcomplete"] = None\n'
        'from fol_vpr.cli.main import main; sys.exit(main(["completion", "bash"]))'
    )
    done = subprocess.run(
        [sys.executable, '-c', script],
        env=environment(workplace), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert 'python3-argcomplete' in done.stderr
