"""Files of git clones at a pinned commit. What is checked out beside it does not matter."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from fol_vpr.errors import InputError


@dataclass(frozen=True)
class Source:
    """A repository with photographs, as a row of sources.csv."""

    name: str
    repository: str
    """Its address."""
    commit: str
    """40 hexadecimal digits."""
    width: int | None
    """Pixels to which wider panorama images are made smaller before views are cut."""
    licence: str
    shows: str


def commands(source: Source, clone: Path) -> list[str]:
    """The commands for a shell that make a clone with the commit and without its history."""
    folder = shlex.quote(str(clone))
    return [
        f'git init --quiet {folder}',
        f'git -C {folder} fetch --depth 1 {source.repository} {source.commit}',
        f'git -C {folder} checkout --quiet --detach {source.commit}',
    ]


class Clone:
    """A git clone.

    Args:
        source: what it is a clone of.
        folder: where it lies.

    Raises:
        InputError: no git, no such clone, or it does not have the commit; with the remedy.
    """

    def __init__(self, source: Source, folder: Path) -> None:
        self._source = source
        self._folder = folder
        made_by = '\n'.join(['these commands make it:', *commands(source, folder)])
        # Without this check, a folder inside somebody else's clone would be taken for that one.
        if not any((folder / name).exists() for name in ('.git', 'HEAD')):
            raise InputError(f'there is no clone {folder}; {made_by}')
        done = self._git('cat-file', '-e', f'{source.commit}^{{commit}}')
        if done.returncode:
            raise InputError(
                f'the clone {folder} has no commit {source.commit} of {source.repository} '
                f'({_said(done)}); this adds it:\n{commands(source, folder)[1]}'
            )

    def read(self, path: str) -> bytes:
        """The content of a file at the commit.

        Args:
            path: of the file, from the root of the repository.

        Raises:
            InputError: the commit has no such file, or the clone lacks it.
        """
        done = self._git('cat-file', 'blob', f'{self._source.commit}:{path}')
        if done.returncode:
            again = '\n'.join(commands(self._source, self._folder))
            raise InputError(
                f'the clone {self._folder} has no file {path} at commit {self._source.commit} '
                f'({_said(done)}); remove the clone and make it again:\n{again}'
            )
        return done.stdout

    def _git(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(  # noqa: S603 no shell; paths and commits are those of our table
                ['git', '-C', str(self._folder), *words],  # noqa: S607
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise InputError(f'git cannot be run: {error}; install it') from error


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode(errors='replace').strip().splitlines()
    return lines[0] if lines else f'git ended with {done.returncode}'
