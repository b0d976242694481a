"""A build to compare: its checkout, its environment, and a process that runs its code."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TREE = 'tree'
# `benchmarks` comes from the working tree for both builds, so that both are measured by the same
# code; `fol_vpr` and `training` come from the build, which PYTHONPATH names first.
_START = (
    'import sys; sys.path.insert(0, sys.argv[1]); import benchmarks.against; sys.path.pop(0); '
    'from benchmarks.against.worker import main; main()'
)
_STOP_TIMEOUT = 10.0
_OPENMP = ('OMP_', 'GOMP_', 'KMP_', 'MKL_')


class BuildError(Exception):
    """A build cannot be made, or its code failed; the message is for users."""


@dataclass(frozen=True)
class Build:
    """Code to measure.

    Attributes:
        name: of the column in tables: the reference as it was given, or `tree`.
        root: folder that holds `fol_vpr/`.
        commit: abbreviated hash, with `+` where files of the working tree differ from it.
    """

    name: str
    root: Path
    commit: str

    @property
    def file_name(self) -> str:
        """The name as part of a file's name: branches may have slashes."""
        return re.sub(r'[^\w.-]', '-', self.name)

    def environment(self, threads: int = 0) -> dict[str, str]:
        """Environment variables under which Python imports this build's code.

        What the caller's shell says of OpenMP and MKL is left out, so that both builds run as they
        do by default.

        Args:
            threads: that OpenMP takes; 0 leaves that to it.
        """
        rest = os.environ.get('PYTHONPATH', '')
        kept = {key: value for key, value in os.environ.items() if not key.startswith(_OPENMP)}
        found = kept | {'PYTHONPATH': os.pathsep.join(filter(None, (str(self.root), rest)))}
        if threads:
            found['OMP_NUM_THREADS'] = str(threads)
        return found

    def run(self, *arguments: object, threads: int = 0) -> str:
        """Run Python with these arguments in the root of the build; what it printed.

        Raises:
            BuildError: it failed; the message has the end of what it printed.
        """
        words = [str(word) for word in arguments]
        done = subprocess.run(  # noqa: S603 our own command
            [sys.executable, *words],
            cwd=self.root,
            env=self.environment(threads),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            tail = '\n'.join(done.stdout.splitlines()[-8:])
            what = f'{self.name}: {" ".join(words)}'
            raise BuildError(f'{what} ended with {done.returncode}:\n{tail}')
        return done.stdout

    def takes(self, option: str, *verb: str) -> bool:
        """Whether a verb of `fol_vpr` has an option."""
        return option in self.run('-m', 'fol_vpr.cli.main', *verb, '--help').split()


def working_tree() -> Build:
    """The build that this file belongs to."""
    commit = _git('rev-parse', '--short', 'HEAD')
    changed = _git('status', '--porcelain', '--untracked-files=no')
    return Build(TREE, ROOT, commit + ('+' if changed else ''))


@contextmanager
def checkout(reference: str) -> Iterator[Build]:
    """A build of `reference` in a temporary worktree of git, which is removed afterwards.

    It is not installed: messages of ROS and all libraries are those of the running environment.

    Raises:
        BuildError: git does not know the reference, or cannot check it out.
    """
    commit = _git('rev-parse', '--verify', '--quiet', f'{reference}^{{commit}}', missing=reference)
    with tempfile.TemporaryDirectory(prefix='fol_vpr-') as folder:
        root = Path(folder) / 'checkout'
        _git('worktree', 'add', '--quiet', '--detach', str(root), commit)
        try:
            yield Build(reference, root, _git('rev-parse', '--short', commit))
        finally:
            _git('worktree', 'remove', '--force', str(root))


def _git(*words: str, missing: str = '') -> str:
    done = subprocess.run(  # noqa: S603 git of our own checkout
        ['git', '-C', str(ROOT), *words],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        if missing:
            raise BuildError(f'git knows no commit {missing!r} in {ROOT}')
        raise BuildError(f'git {" ".join(words)}: {done.stderr.strip()}')
    return done.stdout.strip()


class Worker:
    """A process that runs the code of one build, and is stopped while it has nothing to do.

    SIGSTOP holds all of its threads. Threads of OpenMP that wait for work in a loop, and whatever
    a build goes on with after its answer, thus take no time from the other build. What a build
    puts off is counted in its own next turn.

    Args:
        build: whose code it runs.
        threads: of torch and OpenMP.
        log: file for what it prints.

    Raises:
        BuildError: it does not start, or runs the code of another folder.
    """

    def __init__(self, build: Build, threads: int, log: Path) -> None:
        self.build = build
        self._log = log
        with log.open('w') as file:
            self._process = subprocess.Popen(  # noqa: S603 our own code
                [sys.executable, '-c', _START, str(ROOT)],
                cwd=build.root,
                env=build.environment(threads),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        self._stopped = False
        try:
            self.description: dict[str, Any] = self.ask('begin', threads=threads)
            found = Path(self.description['folder']).resolve()
            if found != build.root.resolve():
                raise BuildError(f'{build.name}: fol_vpr of {found} was imported')
        except BaseException:
            self.close()
            raise

    def ask(self, task: str, **arguments: Any) -> Any:
        """Let the worker do a task; what it returned.

        Raises:
            BuildError: the task failed or the process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._go_on()
        try:
            self._process.stdin.write(json.dumps({'task': task, **arguments}) + '\n')
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ''
        if not line:
            tail = '\n'.join(self._log.read_text().splitlines()[-8:])
            raise BuildError(f'{self.build.name}: the process ended during {task}:\n{tail}')
        self._stop()
        answer = json.loads(line)
        if 'error' in answer:
            raise BuildError(f'{self.build.name}: {task}: {answer["error"]}')
        return answer['result']

    def processor_seconds(self) -> float:
        """Processor time that the process has taken in all threads, by /proc."""
        fields = Path(f'/proc/{self._process.pid}/stat').read_text().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def _stop(self) -> None:
        self._process.send_signal(signal.SIGSTOP)
        self._stopped = True
        # The signal is delivered to each thread on its own.
        limit = time.monotonic() + _STOP_TIMEOUT
        while time.monotonic() < limit and not self._all_stopped():
            time.sleep(0.001)

    def _all_stopped(self) -> bool:
        for path in Path(f'/proc/{self._process.pid}/task').glob('*/stat'):
            try:
                state = path.read_text().rpartition(')')[2].split()[0]
            except OSError:  # a thread that has ended
                continue
            if state not in 'TtZX':
                return False
        return True

    def _go_on(self) -> None:
        if self._stopped:
            self._process.send_signal(signal.SIGCONT)
            self._stopped = False

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()


def measured(
    command: Sequence[object], environment: Mapping[str, str], folder: Path
) -> dict[str, float]:
    """Wall time in s, processor time in s and peak resident memory in MB of a fresh process.

    A small launcher starts it: Linux counts the memory of the process that forks as a peak of the
    one that it starts.

    Raises:
        BuildError: the command failed.
    """
    launcher = Path(__file__).with_name('launcher.py')
    words = [str(word) for word in command]
    done = subprocess.run(  # noqa: S603 our own command
        [sys.executable, '-I', '-S', str(launcher), *words],
        cwd=folder,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        tail = '\n'.join(done.stderr.splitlines()[-8:])
        raise BuildError(f'{" ".join(words)} ended with {done.returncode}:\n{tail}')
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
