"""Whether ROS 2 works in this environment, asked in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import fol_vpr
from fol_vpr.checks.middleware.facts import VARIABLES, RosFacts

_COLOURS = re.compile(r'\x1b\[[0-9;]*m')
_TIMEOUT = 60.0


def tried_ros(environment: Mapping[str, str] = os.environ, timeout: float = _TIMEOUT) -> RosFacts:
    """What is installed and set of ROS 2, and whether a node starts.

    Args:
        environment: of the process that tries.
        timeout: seconds after which it is ended.
    """
    root = str(Path(fol_vpr.__file__).parents[1])
    path = os.pathsep.join(filter(None, (root, environment.get('PYTHONPATH'))))
    command = [sys.executable, '-m', 'fol_vpr.cli.doctor.gathering.ros_probe']
    end = ''
    try:
        done = subprocess.run(  # noqa: S603
            command, env={**environment, 'PYTHONPATH': path}, stdin=subprocess.DEVNULL,
            capture_output=True, timeout=timeout, check=False,
        )  # fmt: skip
        out, said = done.stdout, done.stderr
        if done.returncode:
            end = f'the process ended with {done.returncode}'
    except subprocess.TimeoutExpired as error:
        out, said = error.stdout or b'', error.stderr or b''
        end = f'it took longer than {timeout:g} s'
    facts = _last(out)
    if facts is None:
        named = {name: environment[name] for name in VARIABLES if environment.get(name)}
        facts = RosFacts(environment=named)
    if not facts.error and not facts.started:
        facts = replace(facts, started=True, start_error=_words(said) or end)
    return facts


def _last(out: bytes) -> RosFacts | None:
    """The last facts that were written; None for none."""
    lines = out.decode(errors='replace').splitlines()
    for line in reversed(lines):
        try:
            return RosFacts(**json.loads(line))
        except (ValueError, TypeError):  # cut in the middle of a line
            continue
    return None


def _words(said: bytes) -> str:
    """The last line that was said, without colours."""
    text = _COLOURS.sub('', said.decode(errors='replace')).strip()
    return text.splitlines()[-1].strip()[:400] if text else ''
