"""Processes: those that this package's commands run beside each other, and how one is ended."""

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
from fol_vpr.errors import FolVprError, InputError

STOP = 30.0
"""Seconds that a process may take to end when it is asked to."""
LAST_LINES = 15


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Within it Ctrl-C and SIGTERM raise nothing; what is yielded tells whether one came."""
    came = []
    wanted = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, lambda number, _: came.append(number)) for number in wanted]
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in zip(wanted, previous, strict=True):
            signal.signal(number, handler)


class Background:
    """A process that runs beside others; its output goes to a log file."""

    def __init__(self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str]):
        self.name = name
        self.log = log
        with open(log, 'wb') as file:
            # A session of its own: Ctrl-C reaches us alone, and we end the others in order.
            self._process = subprocess.Popen(  # noqa: S603 no shell, our own programs
                command, stdout=file, stderr=subprocess.STDOUT, env=env, start_new_session=True
            )

    def wait_until(self, words: str, timeout: float, others: Sequence[Background] = ()) -> None:
        """Wait until the log has certain words.

        Raises:
            FolVprError: that does not come about, or this process or one of `others` ended.
        """
        deadline = time.monotonic() + timeout
        while words not in self.log.read_text(errors='replace'):
            for each in (*others, self):
                each.check()
            if time.monotonic() > deadline:
                raise FolVprError(f'{self.name} was not ready within {timeout:g} s; {self._end()}')
            time.sleep(0.1)

    def check(self) -> None:
        """Raise FolVprError where the process has ended, or says that it failed."""
        code = self._process.poll()
        if code is not None:
            raise FolVprError(f'{self.name} ended too early (exit code {code}); {self._end()}')
        if 'failed: ' in self.log.read_text(errors='replace'):
            raise FolVprError(f'{self.name} has a problem; {self._end()}')

    def stop(self) -> None:
        """Ask the process to end, as Ctrl-C does; kill it where it does not."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            print(
                f'{self.name} did not end within {STOP:g} s and was killed; {self._end()}',
                file=sys.stderr,
            )

    def _end(self) -> str:
        lines = self.log.read_text(errors='replace').splitlines()[-LAST_LINES:]
        return '\n  '.join([f'the end of {self.log}:', *lines])


class Runner:
    """Runs commands of `fol_vpr`, and shows each as one would type it.

    Args:
        folder: where the log files of background processes go.
        env: of the processes, beside the present one.
    """

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder = folder
        root = str(Path(fol_vpr.__file__).parents[1])
        path = os.pathsep.join(filter(None, (root, os.environ.get('PYTHONPATH'))))
        self._env = {**os.environ, 'PYTHONPATH': path, **env}

    def run(self, *words: object) -> None:
        """Run a verb with its options, and wait for it.

        Raises:
            FolVprError: it failed; it has said why itself.
        """
        self._show(['fol_vpr', *map(str, words)])
        command = _own(words)
        code = subprocess.run(command, env=self._env, check=False).returncode  # noqa: S603
        if code:
            raise FolVprError(f'fol_vpr {words[0]} {words[1]} ended with exit code {code}')

    @contextmanager
    def beside(self, name: str, *words: object) -> Iterator[Background]:
        """Run a verb beside what happens in the context, and end it then."""
        self._show(['fol_vpr', *map(str, words), '&'])
        yield from self._beside(name, _own(words))

    @contextmanager
    def program_beside(self, name: str, program: Path, *words: object) -> Iterator[Background]:
        """The same for another program."""
        self._show([program.name, *map(str, words), '&'])
        yield from self._beside(name, [str(program), *map(str, words)])

    def _beside(self, name: str, command: list[str]) -> Iterator[Background]:
        process = Background(name, command, self._folder / f'{name}.log', self._env)
        try:
            yield process
        finally:
            process.stop()

    def _show(self, words: list[str]) -> None:
        shown = [word if word == '&' else shlex.quote(word) for word in words]
        print('$ ' + ' '.join(shown), flush=True)


def _own(words: Sequence[object]) -> list[str]:
    return [sys.executable, '-m', 'fol_vpr.cli.main', *map(str, words)]


def find_executable(package: str, name: str) -> Path:
    """An executable of a ROS package, where `ros2 run` would look for it.

    Raises:
        InputError: it is not there.
    """
    for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        path = Path(prefix) / 'lib' / package / name
        if prefix and path.is_file():
            return path
    raise InputError(
        f'the executable {name} of {package} is not built, or its workspace is not sourced: '
        '`make setup`, then `. .venv/bin/activate && . install/setup.bash`'
    )
