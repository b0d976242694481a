"""Re-ranking by local matching: the released algorithm against fol_vpr.retrieval.

    python -m benchmarks reranking [--candidates 10] [--rows 3600] [--threads 2]

Both get the same features in the same process and take turns, so that other work on the machine
meets both alike: ours as it chooses by itself, without products of 8 bit integers, and by NumPy
alone. The product of all rows in float32, alone, is timed beside them. There are three kinds of
features: those near a subspace of few dimensions, as those of a trained network are, where a bound
replaces most of the product; distinct ones, which fill all dimensions; and alike ones, as those of
an untrained network are, of which all pairs are over the threshold.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from benchmarks.options import benchmark_parser, write_figures
from fol_vpr import compiled
from fol_vpr.retrieval import match_scores

DIM = 128
SUBSPACE = 24
THRESHOLD = 0.7
INT8 = 'fol_vpr.retrieval.compiled_int8'


@dataclass(frozen=True)
class Cost:
    """Of scoring one candidate.

    Attributes:
        best_ms: fastest repetition, in milliseconds for each candidate.
        median_ms: the median of all repetitions.
        peak_mb: how far the process' memory grew while all candidates were scored; None where the
            system does not tell.
    """

    best_ms: float
    median_ms: float
    peak_mb: float | None


def released_scores(query: torch.Tensor, candidates: torch.Tensor) -> np.ndarray:
    """The released algorithm, written anew from its description.

    All similarities at once, both argmaxes over them, then the candidates one after the other.
    Written with the quirk that a single mutual pair scores 0.

    Args:
        query: [N, C].
        candidates: [K, M, C].
    """
    similarities = candidates @ query.T  # K, M, N
    nearest_of_query = similarities.argmax(dim=1)  # K, N
    nearest_of_candidate = similarities.argmax(dim=2)  # K, M
    there_and_back = nearest_of_candidate.gather(1, nearest_of_query)
    mutual = there_and_back == torch.arange(len(query), device=query.device)
    scores = np.zeros(len(candidates), dtype=np.int64)
    for number, candidate in enumerate(candidates):
        rows = mutual[number].nonzero()[:, 0]
        if len(rows) == 1:
            continue
        partners = candidate[nearest_of_query[number, rows]]
        cosine = (query[rows] * partners).sum(dim=1)
        scores[number] = int((cosine > THRESHOLD).sum())
    return scores


def features(
    rows: int, candidates: int, kind: str, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """A query [rows, C] and candidates [K, rows, C] that share from none to half of its rows.

    Where the kind is `alike`, all rows have about 0.8 of the same direction; where it is
    `subspace`, 0.95 of their squared length is in `SUBSPACE` dimensions.
    """
    rng = np.random.default_rng(seed)
    common = 2 * rng.standard_normal(DIM) if kind == 'alike' else 0.0
    scale = np.ones(DIM)
    if kind == 'subspace':
        scale[SUBSPACE:] = np.sqrt(0.05 / 0.95 * SUBSPACE / (DIM - SUBSPACE))

    def unit(array: np.ndarray) -> np.ndarray:
        rows: np.ndarray = array / np.linalg.norm(array, axis=-1, keepdims=True)
        return rows.astype(np.float32)

    query = unit(common + scale * rng.standard_normal((rows, DIM)))
    others = unit(common + scale * rng.standard_normal((candidates, rows, DIM)))
    for number, candidate in enumerate(others):
        shared = rows * number // (2 * candidates)
        noise = 0.05 * rng.standard_normal((shared, DIM))
        candidate[:shared] = unit(query[rng.permutation(rows)[:shared]] + noise)
        candidate[:] = candidate[rng.permutation(rows)]
    return query, others


def compare(query: np.ndarray, others: np.ndarray, repetitions: int) -> dict[str, Cost | bool]:
    """Cost of the released algorithm, of our ways, and of the product; whether scores agree."""
    candidates, rows = others.shape[:2]
    as_list = list(others)
    left, right = torch.from_numpy(others), torch.from_numpy(query)
    product = torch.empty((rows, rows))

    def floor() -> None:
        for candidate in left:
            torch.mm(candidate, right.T, out=product)

    def ours() -> np.ndarray:
        return match_scores(query, as_list, THRESHOLD)

    def without_int8() -> np.ndarray:
        with mock.patch.dict(compiled._ready):
            compiled._ready.pop(INT8, None)
            return ours()

    def by_numpy() -> np.ndarray:
        with mock.patch.dict(compiled._ready, clear=True):
            return ours()

    ways: dict[str, Callable[[], object]] = {
        'released': lambda: released_scores(right, left),
        'ours': ours,
        'without int8': without_int8,
        'by NumPy': by_numpy,
        'product alone': floor,
    }
    expected = released_scores(right, left)
    equal = all(np.array_equal(expected, way()) for way in (ours, without_int8, by_numpy))
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    growth: dict[str, float] = {}
    for _ in range(repetitions):
        for name, way in ways.items():
            before = _reset_peak()
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
            if before is not None:
                growth[name] = max(0.0, _memory('VmHWM') - before) / 1e6
    costs: dict[str, Cost | bool] = {
        name: Cost(
            best_ms=1e3 * min(times) / candidates,
            median_ms=1e3 * statistics.median(times) / candidates,
            peak_mb=growth.get(name),
        )
        for name, times in seconds.items()
    }
    return {**costs, 'scores equal': equal}


def _reset_peak() -> float | None:
    """Make the kernel forget this process' peak of memory; bytes held now."""
    try:
        Path('/proc/self/clear_refs').write_text('5')
    except OSError:
        return None
    return _memory('VmRSS')


def _memory(field: str) -> float:
    """A line of /proc/self/status in bytes."""
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(f'{field}:'):
            return 1024 * float(line.split()[1])
    return 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('--rows', type=int, default=3600, help='local descriptors of an image')
    parser.add_argument('--candidates', type=int, default=10)
    parser.add_argument('--repetitions', type=int, default=5)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    reason = compiled.prepare()
    module = compiled.ready(INT8)
    sets = module.instruction_sets() if module is not None else ()
    print(f'products of 8 bit integers: {sets[0] if sets else reason or "not on this processor"}')
    results = {}
    for kind in ('subspace', 'distinct', 'alike'):
        query, others = features(options.rows, options.candidates, kind)
        results[kind] = compare(query, others, options.repetitions)
        print(
            f'{kind} features, {options.candidates} candidates, {options.rows} x {options.rows} '
            f'rows of {DIM}, {options.threads} threads; per candidate:'
        )
        _print(results[kind])
    write_figures(options.json, results, asdict)
    return 0 if all(result['scores equal'] for result in results.values()) else 1


def _print(result: dict[str, Cost | bool]) -> None:
    for name, cost in result.items():
        if isinstance(cost, Cost):
            memory = '' if cost.peak_mb is None else f', memory +{cost.peak_mb:.0f} MB'
            print(f'  {name:14} {cost.best_ms:6.1f} ms best, {cost.median_ms:6.1f} median{memory}')
    released, ours = result['released'], result['ours']
    if isinstance(released, Cost) and isinstance(ours, Cost):
        best, median = (released.best_ms / ours.best_ms, released.median_ms / ours.median_ms)
        print(f'  {best:.1f} times faster by the best, {median:.1f} by the median')
    print(f'  scores equal: {result["scores equal"]}')
