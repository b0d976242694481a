"""Runs commands of this package as processes, in the foreground and in the background."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import fol_vpr
from fol_vpr.cli.common.terminal import is_quiet
from fol_vpr.errors import FolVprError, InputError

STOP_TIMEOUT = 30.0
"""Seconds that a process may take to end after SIGINT, before it is killed."""
LAST_LINES = 15


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Within the context Ctrl-C and SIGTERM raise nothing.

    Yields:
        A function that returns whether one of the two signals has arrived.
    """
    came = []
    wanted = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, lambda number, _: came.append(number)) for number in wanted]
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in zip(wanted, previous, strict=True):
            signal.signal(number, handler)


class Background:
    """A process in the background, whose output goes to a log file.

    Args:
        name: of the process, for error messages.
        command: program and arguments.
        log: file for its output.
        env: its environment.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str]):
        self.name = name
        self.log = log
        with open(log, 'wb') as file:
            # In a session of its own, Ctrl-C does not reach it: this process ends it in order.
            self._process = subprocess.Popen(  # noqa: S603 no shell, our own programs
                command, stdout=file, stderr=subprocess.STDOUT, env=env, start_new_session=True
            )

    def wait_until(self, words: str, timeout: float, others: Sequence[Background] = ()) -> None:
        """Wait until the log contains certain words.

        Args:
            words: to wait for.
            timeout: in seconds.
            others: further processes that have to go on running.

        Raises:
            FolVprError: the time is over, or this process or one of `others` ended.
        """
        deadline = time.monotonic() + timeout
        while words not in self.log.read_text(errors='replace'):
            for each in (*others, self):
                each.check()
            if time.monotonic() > deadline:
                raise FolVprError(f'{self.name} was not ready within {timeout:g} s; {self._end()}')
            time.sleep(0.1)

    def check(self) -> None:
        """Raise FolVprError if the process has ended, or if its log says that it failed."""
        code = self._process.poll()
        if code is not None:
            raise FolVprError(f'{self.name} ended too early (exit code {code}); {self._end()}')
        if 'failed: ' in self.log.read_text(errors='replace'):
            raise FolVprError(f'{self.name} has a problem; {self._end()}')

    def stop(self) -> None:
        """End the process with SIGINT, as Ctrl-C does; kill it if it does not end in time."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            print(
                f'{self.name} did not end within {STOP_TIMEOUT:g} s and was killed; {self._end()}',
                file=sys.stderr,
            )

    def _end(self) -> str:
        lines = self.log.read_text(errors='replace').splitlines()[-LAST_LINES:]
        return '\n  '.join([f'the end of {self.log}:', *lines])


class Runner:
    """Runs commands of `fol_vpr`, and prints each as a user would type it.

    Args:
        folder: for the log files of background processes.
        env: environment variables of the processes, added to those of this process.
        results: whether commands and what they print go to stdout, and not to stderr.
    """

    def __init__(self, folder: Path, env: Mapping[str, str], *, results: bool = True) -> None:
        self._folder = folder
        self._results = results
        root = str(Path(fol_vpr.__file__).parents[1])
        path = os.pathsep.join(filter(None, (root, os.environ.get('PYTHONPATH'))))
        self._env = {**os.environ, 'PYTHONPATH': path, **env}

    def run(self, *words: object) -> None:
        """Run a verb with its options, and wait for it.

        Raises:
            FolVprError: it failed, and has printed the reason.
        """
        self._show(['fol_vpr', *map(str, words)])
        command = _own(words)
        code = subprocess.run(  # noqa: S603
            command, env=self._env, stdout=None if self._results else sys.__stderr__, check=False
        ).returncode
        if code:
            raise FolVprError(f'fol_vpr {words[0]} {words[1]} ended with exit code {code}')

    @contextmanager
    def background(self, name: str, *words: object) -> Iterator[Background]:
        """Run a verb in the background, and end it at the end of the context."""
        self._show(['fol_vpr', *map(str, words), '&'])
        yield from self._background(name, _own(words))

    @contextmanager
    def background_program(self, name: str, program: Path, *words: object) -> Iterator[Background]:
        """Run another program in the background, and end it at the end of the context."""
        self._show([program.name, *map(str, words), '&'])
        yield from self._background(name, [str(program), *map(str, words)])

    def _background(self, name: str, command: list[str]) -> Iterator[Background]:
        process = Background(name, command, self._folder / f'{name}.log', self._env)
        try:
            yield process
        finally:
            process.stop()

    def _show(self, words: list[str]) -> None:
        shown = [word if word == '&' else shlex.quote(word) for word in words]
        out = sys.stdout if self._results else sys.stderr
        print('$ ' + ' '.join(shown), file=out, flush=True)


def _own(words: Sequence[object]) -> list[str]:
    quiet = ['--quiet'] if is_quiet() else []
    return [sys.executable, '-m', 'fol_vpr.cli.main', *quiet, *map(str, words)]


def find_executable(package: str, name: str) -> Path:
    """An executable of a ROS package, where `ros2 run` would look for it.

    Raises:
        InputError: no sourced workspace has it.
    """
    for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        path = Path(prefix) / 'lib' / package / name
        if prefix and path.is_file():
            return path
    raise InputError(
        f'the executable {name} of {package} is not built, or its workspace is not sourced: '
        '`make setup`, then `. .venv/bin/activate && . install/setup.bash`'
    )
