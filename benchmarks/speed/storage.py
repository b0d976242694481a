"""What storing, growing, saving and checking a map cost, beside the disk that they run on.

    python -m benchmarks storage [--places 300] [--rows 3400] [--folder DIR]

Places are random, of the size that ViT-L makes: 8,448 numbers of global descriptor, 128 of each of
some thousand local ones in float16, and a JPEG of 40 kB.
"""

from __future__ import annotations

import os
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.options import benchmark_parser, write_figures
from fol_vpr.database import MapEditor, MapHeader, MapReader, MapWriter, check_map
from fol_vpr.datatypes import Features, Frame, LocalFeatures, Pose
from fol_vpr.evaluation.report import align_columns

HEADER = MapHeader('bench', 'model', 'fixed-322-imagenet', 'random', 'float16', 8448, 128)
IMAGE = np.zeros((540, 960, 3), np.uint8)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print one table."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('--places', type=int, default=300)
    parser.add_argument('--rows', type=int, default=3400, help='local features of a place')
    parser.add_argument('--folder', type=Path, help='on the disk to measure; a temporary one')
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        figures = measure(Path(folder), options.places, options.rows)
    rows = [['', 'ms per place, median', 'slowest']]
    rows += [[name, f'{f["median"]:.3f}', f'{f["max"]:.3f}'] for name, f in figures.items()]
    print('\n'.join(align_columns(rows, left=(0,))))
    write_figures(options.json, figures)
    return 0


def measure(folder: Path, places: int, rows: int) -> dict[str, dict[str, float]]:
    """Milliseconds per place of each operation."""
    features, jpeg = _features(rows), os.urandom(40_000)
    path, figures = folder / 'm.folmap', {}
    blob = os.urandom(rows * 268 + 2 * 8448 + len(jpeg))
    with (folder / 'raw').open('wb', buffering=0) as raw:

        def to_disk(_: int) -> None:
            raw.write(blob)
            os.fsync(raw.fileno())

        figures['write and fsync of as many bytes'] = _each(to_disk, places)
    with MapWriter(path, HEADER, source_id='bench') as writer:

        def add(number: int) -> None:
            writer.add(
                _frame('built', number),
                features,
                session_id='built',
                source_position=number,
                image_jpeg=jpeg,
            )

        figures['build (WAL, synchronous=NORMAL)'] = _each(add, places)
        writer.finish()
    with MapEditor(path) as editor:
        figures['add to a map (WAL, synchronous=FULL)'] = _each(
            lambda number: editor.add(
                _frame('added', number), features, session_id='added', image_jpeg=jpeg
            ),
            places,
        )
        figures['save'] = _once(editor.save, 2 * places)
    tracemalloc.start()
    with MapReader(path) as reader:
        held = tracemalloc.get_traced_memory()[0] / (2 * places)
    tracemalloc.stop()
    with MapReader(path) as reader:
        figures['local features, first time (verified)'] = _each(reader.local_features, places)
        figures['local features, from the file'] = _each(reader.local_features, places)
        reader.hold_local_features()
        figures['local features, held in memory'] = _each(reader.local_features, places)
    figures['open'] = _once(lambda: MapReader(path).close(), 2 * places)
    figures['check'] = _once(lambda: check_map(path), 2 * places)
    figures['(memory of a place without descriptors, kB)'] = {'median': held / 1e3, 'max': 0.0}
    return figures


def _frame(session: str, number: int) -> Frame:
    pose = Pose(np.array([number, 0.0, 0.0]), np.array([0.0, 0.0, 0.0, 1.0]), np.eye(6))
    uri = f'/data/{session}/{number:06d}.jpg'
    return Frame(IMAGE, stamp_ns=number, uri=uri, pose=pose)


def _features(rows: int) -> Features:
    rng = np.random.default_rng(0)

    def unit(*shape: int) -> np.ndarray:
        values = rng.standard_normal(shape).astype(np.float32)
        return values / np.linalg.norm(values, axis=-1, keepdims=True)

    local = LocalFeatures(
        unit(rows, 128), rng.random((rows, 2), np.float32), rng.random(rows, np.float32)
    )
    return Features(unit(8448), local, (960, 540))


def _each(operation: Callable[[int], Any], count: int) -> dict[str, float]:
    seconds = []
    for number in range(count):
        started = time.perf_counter()
        operation(number)
        seconds.append(time.perf_counter() - started)
    return {'median': 1e3 * float(np.median(seconds)), 'max': 1e3 * max(seconds)}


def _once(operation: Callable[[], Any], places: int) -> dict[str, float]:
    started = time.perf_counter()
    operation()
    spent = 1e3 * (time.perf_counter() - started) / places
    return {'median': spent, 'max': spent}
