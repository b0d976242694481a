"""The real `ros2 launch` in a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

PATIENCE = 150.0
ROS2_LAUNCH = [sys.executable, '-c', 'import sys; from ros2cli.cli import main; sys.exit(main())']


def launch_folder() -> Path | None:
    """The installed launch files; None where the package is not built."""
    try:
        return Path(get_package_share_directory('fol_vpr')) / 'launch'
    except PackageNotFoundError:
        return None


def environment(**changes: str | None) -> dict[str, str]:
    """The environment with changes; None takes a variable away."""
    changed = {**os.environ, **{name: value or '' for name, value in changes.items()}}
    return {name: value for name, value in changed.items() if changes.get(name, '') is not None}


@contextlib.contextmanager
def ros2_launch(
    words: Sequence[str | Path], log: Path, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """`ros2 launch` with words, its output in a file; ended by SIGINT.

    It is a process group of its own, of which nothing is left behind.
    """
    with log.open('w') as file:
        process = subprocess.Popen(
            [*ROS2_LAUNCH, 'launch', *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
        )
    try:
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run_launch(
    words: Sequence[str | Path], log: Path, env: dict[str, str] | None = None
) -> tuple[int, str]:
    """`ros2 launch` until it ends by itself; its exit code and what it printed."""
    with ros2_launch(words, log, env) as process:
        code = process.wait(PATIENCE)
    return code, log.read_text()
