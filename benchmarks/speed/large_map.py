"""A map of hundreds of thousands of places: time and memory of every step of its life.

    python -m benchmarks large_map [--places 200000] [--rows 200] [--folder DIR]

Two maps of half the places each are written, then merged, opened (which builds the search index),
opened again, searched, extended, and saved. Each step runs in a process of its own, whose peak of
resident memory is printed; pages of the kernel's file cache do not count. Descriptors are random
mixtures of 64 directions and noise, 8,448 numbers in float16; local features are `--rows` random
rows in the codec `fine`, and there are no images. With the defaults, the two halves and the merged
map take 16 GB of disk, and saving needs as much again as the merged map.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.options import benchmark_parser, write_figures
from fol_vpr.config import RetrievalConfig, StorageConfig
from fol_vpr.database import MapHeader, MapReader, MapWriter, merge_maps
from fol_vpr.database.format.codecs import CODECS
from fol_vpr.database.format.records import PlaceRecord
from fol_vpr.datatypes import Features, Frame, LocalFeatures, Place, Pose
from fol_vpr.evaluation.report import align_columns
from fol_vpr.mapping import LiveMap

DIM, LOCAL_DIM = 8448, 128
HEADER = MapHeader('large', 'model', 'fixed-322-imagenet', 'random', 'fine', DIM, LOCAL_DIM)
DIRECTIONS = 64
BLOCK = 1000
ADDED = 100
SEARCHES = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all steps and print one table."""
    parser = benchmark_parser(__name__, __doc__, threads=False)
    parser.add_argument('--places', type=int, default=200_000)
    parser.add_argument('--rows', type=int, default=200, help='local features of a place')
    parser.add_argument('--folder', type=Path, help='on the disk to measure; a temporary one')
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        figures = measure(Path(name), options.places, options.rows)
    write_figures(options.json, figures)
    return 0


def measure(folder: Path, places: int, rows: int) -> list[dict[str, Any]]:
    """Figures of every step, printed as they come."""
    half = places // 2
    halves = [folder / 'a.folmap', folder / 'b.folmap']
    merged, saved = folder / 'merged.folmap', folder / 'saved.folmap'
    steps: list[tuple[str, Callable[..., dict[str, float]], tuple[Any, ...]]] = [
        (f'write {half:,} places', _write, (halves[0], 0, half, rows)),
        (f'write {places - half:,} places', _write, (halves[1], half, places - half, rows)),
        ('merge the two maps', _merge, (halves, merged)),
        ('open the file', _open_file, (merged,)),
        ('load, without an index', _load, (merged,)),
        ('load, with its index', _load, (merged,)),
        ('search', _search, (merged, places)),
        (f'add {ADDED} places', _add, (merged, places, rows)),
        ('save to another file', _save, (merged, saved, places)),
    ]
    figures = []
    for name, step, arguments in steps:
        found = {'step': name, **_apart(step, arguments)}
        figures.append(found)
        rest = {key: value for key, value in found.items() if key not in ('step', 's', 'peak_mb')}
        row = [name, f'{found["s"]:.1f} s', f'{found["peak_mb"]:.0f} MB', _shown(rest)]
        print(align_columns([row], left=(0, 3))[0], flush=True)
    return figures


def _shown(rest: dict[str, Any]) -> str:
    return ', '.join(f'{key} {value:.1f}' for key, value in rest.items())


def _apart(step: Callable[..., dict[str, float]], arguments: tuple[Any, ...]) -> dict[str, float]:
    """What a step returns, run in a process of its own, and its peak of memory in MB."""
    context = multiprocessing.get_context('spawn')
    with context.Pool(1) as pool:
        return pool.apply(_timed, (step, arguments))


def _timed(step: Callable[..., dict[str, float]], arguments: tuple[Any, ...]) -> dict[str, float]:
    started = time.perf_counter()
    found = step(*arguments)
    spent = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {'s': spent, 'peak_mb': peak, **found}


def _write(path: Path, first: int, count: int, rows: int) -> dict[str, float]:
    with MapWriter(path, HEADER) as writer:
        writer.copy(_records(path.stem, first, count, rows))
        writer.finish()
    return {'GB': path.stat().st_size / 1e9}


def _records(session: str, first: int, count: int, rows: int) -> Iterator[PlaceRecord]:
    blobs = [CODECS['fine'].encode(_local(rows, seed)) for seed in range(16)]
    for start in range(0, count, BLOCK):
        number = min(BLOCK, count - start)
        for row, descriptor in enumerate(_descriptors(first + start, number).astype(np.float16)):
            index = start + row
            place = Place(
                index=index,
                place_id=f'{session}/{index:06d}',
                session_id=session,
                stamp_ns=index * 100_000_000,
                image_uri='',
                pose=Pose(np.array([index, 0.0, 0.0]), np.array([0.0, 0.0, 0.0, 1.0]), None),
                image_size=(960, 540),
            )
            blob = blobs[index % len(blobs)]
            yield PlaceRecord(place, descriptor.tobytes(), rows, blob)


def _descriptors(first: int, count: int) -> np.ndarray:
    """[count, DIM] float32 of unit length; the block that begins at `first` is always the same."""
    basis = np.random.default_rng(0).standard_normal((DIRECTIONS, DIM), dtype=np.float32)
    rng = np.random.default_rng([1, first])
    rows = rng.standard_normal((count, DIRECTIONS), dtype=np.float32) @ basis
    rows /= np.sqrt(DIRECTIONS)
    rows += 0.5 * rng.standard_normal(rows.shape, dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def _local(rows: int, seed: int) -> LocalFeatures:
    rng = np.random.default_rng(seed)
    descriptors = rng.standard_normal((rows, LOCAL_DIM), dtype=np.float32)
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    positions = rng.random((rows, 2), dtype=np.float32) * np.float32(500)
    return LocalFeatures(descriptors, positions, rng.random(rows, dtype=np.float32))


def _merge(halves: Sequence[Path], merged: Path) -> dict[str, float]:
    merge_maps(halves, merged)
    return {'GB': merged.stat().st_size / 1e9}


def _open_file(path: Path) -> dict[str, float]:
    MapReader(path).close()
    return {}


def _live(path: Path) -> LiveMap:
    return LiveMap(MapReader(path), StorageConfig(), RetrievalConfig())


def _load(path: Path) -> dict[str, float]:
    live = _live(path)
    print(f'    {live.index_description}', flush=True)
    live.close()
    return {}


def _queries(places: int) -> list[Features]:
    rows = _descriptors(0, min(BLOCK, places // 2))[:SEARCHES]
    noise = np.random.default_rng(2).standard_normal(rows.shape, dtype=np.float32)
    rows = rows + 0.5 * noise / np.sqrt(DIM, dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return [Features(row, _local(10, 0), (960, 540)) for row in rows]


def _search(path: Path, places: int) -> dict[str, float]:
    live, spent, right = _live(path), [], 0
    for number, query in enumerate(_queries(places)):
        started = time.perf_counter()
        found = live.search(query, 100)
        spent.append(1e3 * (time.perf_counter() - started))
        right += found[0].index == number
    live.close()
    p50, p99 = np.percentile(spent, (50, 99))
    return {'p50 ms': float(p50), 'p99 ms': float(p99), 'R@1 %': 100 * right / len(spent)}


def _extended(path: Path, places: int, rows: int) -> tuple[LiveMap, list[float]]:
    live, spent = _live(path), []
    image = np.zeros((540, 960, 3), np.uint8)
    for number, row in enumerate(_descriptors(places, ADDED)):
        frame = Frame(image, stamp_ns=number, uri='')
        features = Features(row, _local(rows, number), (960, 540))
        started = time.perf_counter()
        live.add(frame, features, session_id='added')
        spent.append(1e3 * (time.perf_counter() - started))
    return live, spent


def _add(path: Path, places: int, rows: int) -> dict[str, float]:
    live, spent = _extended(path, places, rows)
    live.close()
    return {'median ms': float(np.median(spent)), 'slowest ms': max(spent)}


def _save(path: Path, saved: Path, places: int) -> dict[str, float]:
    live = _live(path)
    started = time.perf_counter()
    info = live.save(saved)
    spent = time.perf_counter() - started
    live.close()
    if info.places != places + ADDED:
        raise SystemExit(f'the saved map has {info.places} places')
    return {'save alone s': spent, 'GB': saved.stat().st_size / 1e9}


if __name__ == '__main__':
    raise SystemExit(main())
