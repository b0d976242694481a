"""What produced a result: version, command, date, machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import fol_vpr
from fol_vpr.errors import escape_controls
from fol_vpr.evaluation.results.values import MAX_TEXT

_GIT_SECONDS = 5.0
"""Longest time that git may take; a checkout on a slow network share must not stop a report."""


@dataclass(frozen=True)
class Machine:
    """The machine that a result was computed on.

    Attributes:
        processor: its name; empty where the system tells none.
        cores: processors that the process may use.
        gpu: device of the network where that is no CPU; empty otherwise.
        system: operating system with its version.
        python: version of Python.
        torch: version of PyTorch; empty where it is not installed.
    """

    processor: str = ''
    cores: int = 0
    gpu: str = ''
    system: str = ''
    python: str = ''
    torch: str = ''

    @classmethod
    def of_this(cls, device: str = '') -> Machine:
        """The machine that this process runs on.

        Args:
            device: that the network ran on, such as `cpu` or `cuda:0`.
        """
        return cls(
            processor=_processor(),
            cores=len(os.sched_getaffinity(0)),
            gpu=_gpu(device),
            system=_system(),
            python=platform.python_version(),
            torch=_version('torch'),
        )

    def __str__(self) -> str:
        named = f'{self.processor or "unknown processor"}, {self.cores} cores'
        parts = [named, self.gpu, self.system, f'Python {self.python}' if self.python else '']
        parts.append(f'torch {self.torch}' if self.torch else '')
        return '; '.join(part for part in parts if part)


@dataclass(frozen=True)
class Provenance:
    """What produced a result.

    Attributes:
        fol_vpr_version: of this package.
        command: the command line, without control characters and without the credentials of
            addresses, and at most `MAX_TEXT` characters of it; empty where there was none.
        date: when the result was complete, ISO 8601 in UTC.
        machine: that computed it.
        git_commit: of the checkout that the package ran from, with `-dirty` behind it where files
            were changed; empty where it ran from an installation.
        seconds: that the command took; None where that is not known.
    """

    fol_vpr_version: str = ''
    command: str = ''
    date: str = ''
    machine: Machine = Machine()
    git_commit: str = ''
    seconds: float | None = None

    @classmethod
    def of_this(
        cls, arguments: Sequence[str] = (), *, device: str = '', seconds: float | None = None
    ) -> Provenance:
        """The provenance of a result of this process, now.

        Args:
            arguments: of the command line after `fol_vpr`.
            device: that the network ran on, such as `cpu` or `cuda:0`.
            seconds: that the command took.
        """
        command = shlex.join(['fol_vpr', *map(_public, arguments)]) if arguments else ''
        return cls(
            fol_vpr_version=fol_vpr.__version__,
            command=_shortened(escape_controls(command, keep='')),
            date=datetime.now(timezone.utc).isoformat(timespec='seconds'),
            machine=Machine.of_this(device),
            git_commit=_git_commit(Path(fol_vpr.__file__).resolve().parents[1]),
            seconds=None if seconds is None else round(seconds, 3),
        )


def _shortened(command: str) -> str:
    """A command no longer than what is read back, as one with the names of many files is."""
    return command if len(command) <= MAX_TEXT else command[: MAX_TEXT - 1] + '…'


def _public(argument: str) -> str:
    """An argument without the login and the token of an address: results are given to others."""
    scheme, separator, rest = argument.partition('://')
    if not separator:
        return argument
    address, mark, _ = rest.partition('?')
    login, at, place = address.rpartition('@')
    return f'{scheme}://{"***@" if at and login else ""}{place}{"?***" if mark else ""}'


def _processor() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        lines = []
    pairs = (line.partition(':') for line in lines)
    names = {key.strip(): value.strip() for key, _, value in pairs}
    return names.get('model name') or names.get('Model') or platform.machine()


def _gpu(device: str) -> str:
    """The device with the model of NVIDIA's GPUs, as their driver names it; empty for a CPU."""
    if not device or device.startswith('cpu'):
        return ''
    models = set()
    for path in Path('/proc/driver/nvidia/gpus').glob('*/information'):
        lines = path.read_text().splitlines()
        models |= {line.partition(':')[2].strip() for line in lines if line.startswith('Model:')}
    return f'{", ".join(sorted(models))} ({device})' if models else device


def _system() -> str:
    try:
        return platform.freedesktop_os_release()['PRETTY_NAME']
    except (OSError, KeyError):
        return platform.platform()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ''


def _git_commit(root: Path) -> str:
    # Without this check, an installation inside somebody else's checkout would name that commit.
    if not (root / '.git').exists():
        return ''
    command = ['git', '-C', str(root), 'describe', '--always', '--dirty', '--abbrev=40']
    command += ['--exclude=*']
    try:
        done = subprocess.run(  # noqa: S603 no shell; the folder is that of this package
            command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ''
    return done.stdout.strip()
