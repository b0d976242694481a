"""What runs in the process of one build: tasks that another process asks for, one by one.

A task is a line of JSON on standard input, its result a line on standard output. `fol_vpr` and
`training` are those of the build, so this module imports from them only what builds of all times
have, and only inside the tasks.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

_PR_SET_PDEATHSIG = 1  # of Linux, <sys/prctl.h>


class Tasks:
    """The tasks, and what they keep for the next one."""

    def __init__(self) -> None:
        self._extractors: dict[str, Any] = {}
        self._frames: Iterator[Any] = iter(())
        self._recognizer: Any = None

    def begin(self, threads: int) -> dict[str, Any]:
        """Load the libraries; which code runs, and what the processor is to this build."""
        with contextlib.suppress(ImportError):  # earlier builds leave it to OpenMP
            from fol_vpr.openmp import wait_briefly

            wait_briefly()
        import torch

        import fol_vpr

        torch.set_num_threads(threads)
        return {
            'folder': str(Path(fol_vpr.__file__).parents[1]),
            'torch': torch.__version__,
            'threads': torch.get_num_threads(),
        }

    # ---- the whole answer

    def open_drive(
        self, map_file: str, drive: str, pose_topic: str, odom_topic: str
    ) -> dict[str, Any]:
        """Load a map with all defaults, and open a drive at its first image."""
        from fol_vpr.config import RecognizerConfig
        from fol_vpr.recognizer import PlaceRecognizer, open_map
        from fol_vpr.sources import open_source

        with open_map(map_file) as reader:
            places = [{'stamp_ns': p.stamp_ns, 'pose': _pose(p.pose)} for p in reader.places]
        source = open_source(drive, pose_topic=pose_topic, odom_topic=odom_topic)
        if self._recognizer is not None:
            self._recognizer.close()
        self._recognizer = PlaceRecognizer(RecognizerConfig())
        self._recognizer.load_map(Path(map_file))
        self._recognizer.warm_up()
        self._frames = iter(source.frames())
        extractor = self._recognizer.extractor
        return {
            'places': places,
            'images': len(source),
            'weights': extractor.weights_name,
            'precision': extractor.precision,
        }

    def answer(self, count: int) -> list[dict[str, Any]]:
        """Answer the next images of the drive, as `fol_vpr evaluate --sequence` does."""
        found = []
        for _ in range(count):
            started, used = time.perf_counter(), time.process_time()
            step = next(self._frames, None)
            if step is None:
                break
            position, frame = step
            decoded = time.perf_counter() - started
            answer = self._recognizer.recognize(frame)
            spent = {'image': time.perf_counter() - started, 'cpu': time.process_time() - used}
            timings = {'decode': decoded, **answer.timings}
            timings['total'] += decoded
            found.append(
                {
                    'index': position,
                    'ms': {name: 1000 * value for name, value in {**timings, **spent}.items()},
                    'truth': _pose(frame.pose),
                    'closures': len(answer.loop_closures),
                    **_answer(answer),
                }
            )
        return found

    # ---- parts of it

    def open_network(self, weights: str) -> dict[str, Any]:
        """Load weights with all other settings at their defaults."""
        from fol_vpr.config import NetworkConfig
        from fol_vpr.network import FeatureExtractor

        extractor = FeatureExtractor(NetworkConfig(weights=weights))
        # Builds before tiled blocks have nothing to compile here.
        getattr(extractor, 'compile', lambda: None)()
        extractor.warm_up()
        self._extractors = {weights: extractor}
        return {'precision': extractor.precision, 'px': extractor.config.input_size}

    def forward(self, weights: str, images: str, count: int) -> dict[str, Any]:
        """Milliseconds of the network for each of the first `count` images of an .npy file.

        `resize` is left out. The descriptor of the first image comes with it, for comparison.
        """
        extractor = self._extractors[weights]
        spent, processor, described = [], [], None
        for image in np.load(images)[:count]:
            timings: dict[str, float] = {}
            used = time.process_time()
            features = extractor.extract([image], timings)[0]
            processor.append(1000 * (time.process_time() - used))
            spent.append(1000 * timings['forward'])
            described = features if described is None else described
        assert described is not None
        return {
            'ms': spent,
            'cpu': processor,
            'descriptor': np.asarray(described.global_descriptor, np.float64).tolist(),
            'local': len(described.local.descriptors),
        }

    def build_map(self, bag: str, pose_topic: str, weights: str, output: str) -> dict[str, Any]:
        """Seconds from opening a bag to the finished map; the network is loaded before."""
        from fol_vpr.config import MappingConfig
        from fol_vpr.mapping import build_map
        from fol_vpr.sources import open_source

        started, used = time.perf_counter(), time.process_time()
        source = open_source(bag, pose_topic=pose_topic)
        info = build_map(
            source, output, self._extractors[weights], MappingConfig(), overwrite=True
        )
        spent = time.perf_counter() - started
        return {
            's': spent,
            'cpu_s': time.process_time() - used,
            'images': len(source),
            'places': info.places,
            'MB': Path(output).stat().st_size / 1e6,
        }

    def train(self, config: str, steps: int, folder: str) -> dict[str, Any]:
        """Seconds of every step of `python -m training fit`, without the wait for batches."""
        import pytorch_lightning as pl

        from training.commands import fit

        class Clock(pl.Callback):
            """Times of the steps, and their losses."""

            def __init__(self) -> None:
                self.spent: list[float] = []
                self.used: list[float] = []
                self.losses: list[float] = []
                self._started = self._used = 0.0

            def on_train_batch_start(self, *_: Any) -> None:
                self._started, self._used = time.perf_counter(), time.process_time()

            def on_train_batch_end(self, _trainer: Any, _module: Any, out: Any, *_: Any) -> None:
                self.spent.append(time.perf_counter() - self._started)
                self.used.append(time.process_time() - self._used)
                self.losses.append(float(out['loss']))

        clock, make_trainer = Clock(), fit.make_trainer

        def with_clock(*arguments: Any) -> Any:
            trainer = make_trainer(*arguments)
            trainer.callbacks.append(clock)  # type: ignore[attr-defined]  # set by Lightning
            return trainer

        changes = [f'run.max_steps={steps}', f'run.output={folder}']
        with mock.patch.object(fit, 'make_trainer', with_clock):
            status = fit.run(
                argparse.Namespace(
                    config=config, changes=changes, resume=False, json=None, quiet=True
                )
            )
        if status:
            raise RuntimeError(f'python -m training fit ended with {status}')
        return {'s': clock.spent, 'cpu_s': clock.used, 'losses': clock.losses}


def _pose(pose: Any) -> dict[str, Any] | None:
    if pose is None:
        return None
    covariance = None if pose.covariance is None else np.asarray(pose.covariance).tolist()
    return {
        'position': np.asarray(pose.position).tolist(),
        'orientation': np.asarray(pose.orientation).tolist(),
        'covariance': covariance,
    }


def _answer(answer: Any) -> dict[str, Any]:
    """State and first hypothesis of a Recognition."""
    first = answer.hypotheses[0] if answer.hypotheses else None
    found: dict[str, Any] = {
        'state': answer.state.name,
        'ranking': [each.place.index for each in answer.hypotheses],
        'probability': None,
        'pose': None,
    }
    if first is not None:
        found['probability'] = (
            None if first.probability != first.probability else float(first.probability)
        )
        if first.pose_source.name == 'REFINED':
            found['pose'] = _pose(first.pose)
    return found


def main() -> None:
    """Do tasks until standard input ends, or the process that asks for them does."""
    # A process that is stopped does not see the end of its input.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Libraries may print; only results go to the standard output that the other side reads.
    results = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    tasks = Tasks()
    for line in sys.stdin:
        request = json.loads(line)
        task: Callable[..., Any] = getattr(tasks, request.pop('task'))
        try:
            answer: dict[str, Any] = {'result': task(**request)}
        except Exception as error:  # noqa: BLE001 told to the other side
            traceback.print_exc()
            answer = {'error': f'{type(error).__name__}: {error}'}
        results.write(json.dumps(answer) + '\n')
        results.flush()
