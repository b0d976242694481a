"""Latency of every stage of one query, as the live node walks them, on one machine.

python -m benchmarks latency [--weights untrained-vits14 untrained-vitb14]
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.accuracy.localization import RERANKED, decide_milliseconds
from benchmarks.options import benchmark_parser, write_figures
from benchmarks.speed.publishing import publish_seconds
from fol_vpr.config import (
    MappingConfig,
    NetworkConfig,
    RecognizerConfig,
    RetrievalConfig,
    VerificationConfig,
)
from fol_vpr.datatypes import Frame
from fol_vpr.mapping import build_map
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.retrieval import FlatIndex
from fol_vpr.sources import ImageFolder, decode_bytes, open_source

QUERIES = 7
SEARCHED = 10_000
DIM = 8448
STAGES = (
    'decode', 'resize', 'forward', 'search', 'rerank', 'verify', 'decide', 'refine_pose',
    'publish',
)  # fmt: skip
DRIVES = Path('build/town')
MEASURED = 12


def stage_milliseconds(weights: str, images: Sequence[bytes]) -> dict[str, list[float]]:
    """Milliseconds of each stage for each query.

    The map has as many references as are re-ranked; the search goes over `SEARCHED` random unit
    vectors instead, because one over 20 tells nothing.

    Args:
        weights: of the network, at the size and with the other settings of `fol_vpr.config`.
        images: encoded, at least `QUERIES` more than are re-ranked.
    """
    network = replace(NetworkConfig(), weights=weights)
    references = RetrievalConfig().rerank
    recognizer = PlaceRecognizer(
        RecognizerConfig(network, RetrievalConfig(), VerificationConfig())
    )
    with tempfile.TemporaryDirectory() as folder:
        for position, data in enumerate(images[:references]):
            (Path(folder) / f'{position:03d}.jpg').write_bytes(data)
        source = ImageFolder(folder)
        map_path = Path(folder) / 'm.folmap'
        build_map(source, map_path, recognizer.extractor, MappingConfig())
        recognizer.load_map(map_path)
        rows = [_answer(recognizer, data) for data in images[references : references + QUERIES]]
        recognizer.close()
    # The first query finds cold caches, which the warm-up of a node takes care of.
    return {stage: [row[stage] for row in rows[1:]] for stage in rows[0]}


def _answer(recognizer: PlaceRecognizer, data: bytes) -> dict[str, float]:
    started = time.perf_counter()
    frame = Frame(decode_bytes(data, 'benchmark'))
    decoded = time.perf_counter() - started
    timings = recognizer.recognize(frame, sequence=False).timings
    return {name: 1000 * value for name, value in {'decode': decoded, **timings}.items()}


def search_milliseconds(places: int = SEARCHED, repetitions: int = 20) -> list[float]:
    """Milliseconds of exact searches over random unit vectors."""
    rng = np.random.default_rng(0)
    descriptors = rng.standard_normal((places, DIM), dtype=np.float32)
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    index = FlatIndex(descriptors)
    found = []
    for row in range(repetitions + 1):
        started = time.perf_counter()
        index.search(descriptors[row], RetrievalConfig().candidates)
        found.append(1000 * (time.perf_counter() - started))
    return found[1:]


def measure_milliseconds(drives: Path = DRIVES) -> list[float] | str:
    """Milliseconds of measuring the leading hypothesis with `fol_tiny`, or why there are none.

    That needs cameras, poses and images of the map, which the example images do not have.
    """
    day, evening = drives / 'day', drives / 'evening'
    if not (day.is_dir() and evening.is_dir()):
        return f'not measured: `make demo` draws the drives in {drives}'
    recognizer = PlaceRecognizer(RecognizerConfig())
    found: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'm.folmap'
        source = open_source(day, pose_topic='/ground_truth')
        build_map(source, path, recognizer.extractor, MappingConfig())
        recognizer.load_map(path)
        for _, frame in open_source(evening).frames():
            answer = recognizer.recognize(frame, sequence=False)
            if any(each.relative is not None for each in answer.hypotheses):
                found.append(1000 * answer.timings['refine_pose'])
            if len(found) == MEASURED:
                break
        recognizer.close()
    # The first one finds cold caches.
    return found[1:] or 'not measured: nothing of the drive was verified'


def example_images() -> tuple[list[bytes], str]:
    """Encoded images of 960x540 pixels, and what they are."""
    shared = os.environ.get('FOL_VPR_SHARED')
    needed = RetrievalConfig().rerank + QUERIES
    if shared:
        folder = Path(shared) / 'data' / 'gardens_point' / 'day_left'
        if folder.is_dir():
            paths = [folder / name for name in ImageFolder(folder).files[:needed]]
            return [path.read_bytes() for path in paths], 'gardens_point, 960x540'
    return [_clutter(seed) for seed in range(needed)], 'made-up clutter, 960x540'


def _clutter(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    image = np.full((540, 960, 3), rng.integers(60, 200, 3), np.uint8)
    for _ in range(400):
        x, y, width, height = (int(v) for v in rng.integers([0, 0, 8, 8], [960, 540, 160, 160]))
        colour = [int(v) for v in rng.integers(20, 235, 3)]
        cv2.rectangle(image, (x, y), (x + width, y + height), colour, -1)
    return bytes(cv2.imencode('.jpg', image)[1].tobytes())


def measure(weights: Sequence[str]) -> dict[str, object]:
    """Median and fastest milliseconds of each stage for each of the weights."""
    images, what = example_images()
    searches, publications = search_milliseconds(), publish_seconds()
    decisions, measurements = decide_milliseconds(), measure_milliseconds()
    result: dict[str, object] = {'images': what, 'threads': torch.get_num_threads()}
    if isinstance(publications, str):
        result['publish'] = f'not measured: {publications}'
    if isinstance(measurements, str):
        result['refine_pose'] = measurements
    for name in weights:
        stages = stage_milliseconds(name, images)
        stages['search'] = searches
        # Untrained weights are not decided by, and nothing is measured with them.
        stages['decide'] = decisions
        stages.pop('refine_pose', None)
        if not isinstance(measurements, str):
            stages['refine_pose'] = measurements
        if not isinstance(publications, str):
            stages['publish'] = [1000 * seconds for seconds in publications]
        result[name] = {
            stage: {'median': statistics.median(stages[stage]), 'best': min(stages[stage])}
            for stage in STAGES
            if stage in stages
        }
    return result


def print_table(result: dict[str, object]) -> None:
    """The result for people: a line for each stage, a column for each of the weights."""
    names = [name for name, value in result.items() if isinstance(value, dict)]
    retrieval, verification = RetrievalConfig(), VerificationConfig()
    print(
        f'One query on {result["threads"]} CPU threads, {NetworkConfig().input_size} px, '
        f'{result["images"]}; milliseconds, median (best)'
    )
    notes = {
        'search': f'over {SEARCHED} places',
        'rerank': f'{retrieval.rerank} candidates',
        'verify': f'{verification.verify} hypotheses',
        'decide': f'{RERANKED} candidates, on one core',
        'refine_pose': str(
            result.get('refine_pose', 'where the robot is localised, images of 320x240')
        ),
        'publish': str(result.get('publish', '10 hypotheses')),
    }
    print(f'{"":12}' + ''.join(f'{name:>26}' for name in names))
    for stage in STAGES:
        cells = [result[name].get(stage) for name in names]  # type: ignore[attr-defined]
        shown = [f'{c["median"]:.1f} ({c["best"]:.1f})' if c else 'not measured' for c in cells]
        print(
            f'{stage:12}' + ''.join(f'{cell:>26}' for cell in shown) + f'  {notes.get(stage, "")}'
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('--weights', nargs='+', default=['untrained-vits14', 'untrained-vitb14'])
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    result = measure(options.weights)
    print_table(result)
    write_figures(options.json, result)
    return 0
