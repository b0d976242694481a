"""Starts the process that loads torch, weights and map, and reads what it finds."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fol_vpr
from fol_vpr.checks.machine.facts import CudaDevice, RuntimeFacts, TorchFacts
from fol_vpr.checks.recognition.facts import MapFacts, TrialFacts, WeightsFacts

COMMAND = (sys.executable, '-m', 'fol_vpr.cli.doctor.gathering.probe')
_LAST = 300
"""Characters of the log of a process that failed."""


@dataclass(frozen=True)
class RecognitionFacts:
    """What the process found; None for the parts that it did not come to.

    Attributes:
        torch, runtime, weights, map, trial: see their classes; one of the first two.
        failure: how the process ended; empty where it ended well.
    """

    torch: TorchFacts | None = None
    runtime: RuntimeFacts | None = None
    weights: WeightsFacts | None = None
    map: MapFacts | None = None
    trial: TrialFacts | None = None
    failure: str = ''


def recognition_facts(
    values: Mapping[str, Any],
    *,
    image: np.ndarray | None = None,
    image_file: str = '',
    trial: bool = True,
    timeout: float = 120.0,
    command: tuple[str, ...] = COMMAND,
) -> RecognitionFacts:
    """What the recognition does on this machine.

    Args:
        values: parameters of the node by name.
        image: [H, W, 3] uint8 of the camera; None for none.
        image_file: image to answer instead; empty for none.
        trial: whether images are to be answered.
        timeout: seconds after which the process is ended.
        command: of the process.
    """
    request = {'values': dict(values), 'image': image_file, 'trial': trial}
    sent = io.BytesIO()
    sent.write(json.dumps({**request, 'has_image': image is not None}).encode() + b'\n')
    if image is not None:
        np.save(sent, image, allow_pickle=False)
    environment = {**os.environ, 'PYTHONPATH': _python_path()}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment
        )
        try:
            out, _ = process.communicate(sent.getvalue(), timeout)
            failure = _end(process.returncode)
        except subprocess.TimeoutExpired:
            process.kill()
            out, _ = process.communicate()
            failure = f'it did not end within {timeout:g} s, and was ended'
        except BaseException:
            process.kill()
            process.wait()
            raise
        if failure:
            log.seek(0)
            last = log.read().decode(errors='replace').strip()[-_LAST:]
            failure += f'; its last words: {last.splitlines()[-1]}' if last else ''
    return _read(out, failure)


def _python_path() -> str:
    root = str(Path(fol_vpr.__file__).parents[1])
    return os.pathsep.join(filter(None, (root, os.environ.get('PYTHONPATH'))))


def _end(code: int) -> str:
    """How a process ended, in words; empty where it ended well."""
    if code == 0:
        return ''
    if code > 0:
        return f'it ended with the exit code {code}'
    reasons = {
        signal.SIGILL: 'it was ended by an illegal instruction: torch was built for another '
        'processor',
        signal.SIGKILL: 'it was killed, as the kernel does where memory runs out',
        signal.SIGSEGV: 'it was ended by a wrong memory access',
    }
    return reasons.get(signal.Signals(-code), f'it was ended by {signal.Signals(-code).name}')


def _read(out: bytes, failure: str) -> RecognitionFacts:
    parts: dict[str, dict[str, Any]] = {}
    for line in out.decode(errors='replace').splitlines():
        try:
            found = json.loads(line)
            parts[found['part']] = found['facts']
        except (ValueError, KeyError, TypeError):  # cut in the middle of a line
            continue
    trial = parts.get('trial')
    return RecognitionFacts(
        torch=None if 'torch' not in parts else _torch(parts['torch']),
        runtime=None if 'runtime' not in parts else _runtime(parts['runtime']),
        weights=None if 'weights' not in parts else WeightsFacts(**parts['weights']),
        map=None if 'map' not in parts else _map(parts['map']),
        trial=None if trial is None else TrialFacts(**{**trial, 'size': tuple(trial['size'])}),
        failure=failure,
    )


def _map(found: dict[str, Any]) -> MapFacts:
    return MapFacts(**{**found, 'remarks': tuple(found['remarks'])})


def _runtime(found: dict[str, Any]) -> RuntimeFacts:
    return RuntimeFacts(**{**found, 'devices': tuple(found.get('devices', ()))})


def _torch(found: dict[str, Any]) -> TorchFacts:
    devices = tuple(
        CudaDevice(each['name'], tuple(each['capability']), each['memory'])
        for each in found.get('devices', ())
    )
    architectures = tuple(found.get('architectures', ()))
    return TorchFacts(**{**found, 'devices': devices, 'architectures': architectures})
