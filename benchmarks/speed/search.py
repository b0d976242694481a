"""The search for places: recall against the exact search, latency, building, memory.

    python -m benchmarks search [--sizes 1000 10000 100000 1000000] [--methods large hnsw ...]

Maps are made by `benchmarks.speed.synthetic_descriptors` and are written to --folder, 17 KB a
reference. Queries are further views of places that the smallest map also has. Each method runs in
a process of its own. Its memory is reported twice: the peak while the index is built, and what the
process holds while it answers. Pages of memory-mapped files count, the kernel's cache of files
that are read does not. The methods are

- flat, gpu (where there is one), large: the indexes of fol_vpr;
- milvus: the index on the server that --milvus names; building it includes the time until the
  server has indexed all, and its memory is not that of this process;
- scan-sq8, ivf-sq8, ivf-pq, hnsw-sq8: candidates for `large`, with its reduction and its exact
  comparison of the shortlist, and other structures in between.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import faiss
import numpy as np
import torch

from benchmarks.options import benchmark_parser, write_figures
from benchmarks.speed.synthetic_descriptors import VIEWS, Model, real_model
from fol_vpr.database.format.halves import widened
from fol_vpr.datatypes import Candidate, Place
from fol_vpr.retrieval import FlatIndex
from fol_vpr.retrieval.index import LargeIndex, MilvusIndex
from fol_vpr.retrieval.index.gpu import GpuIndex
from fol_vpr.retrieval.index.large import REDUCED_DIM, REDUCTION_SAMPLE, SHORTLIST
from fol_vpr.retrieval.index.milvus.address import MilvusAddress
from fol_vpr.retrieval.index.milvus.connection import Connection
from fol_vpr.retrieval.index.protocol import block_rows
from fol_vpr.retrieval.index.reduction import Reduction

SIZES = (1000, 10_000)
FLAT_LIMIT = 100_000
TOP = 10
ASKED = 100  # retrieval.candidates
BLOCK_LOCATIONS = 200
# Seconds that a call of a server may take, which flushes and indexes all meanwhile.
SERVER_LIMIT = 3600.0
# Of the structures with inverted lists: a thirty-second of all references, but so many at least.
SEARCHED_SHARE = 1 / 32
MIN_SEARCHED = 20_000


@dataclass(frozen=True)
class Row:
    """Figures of one method on one map; seconds, milliseconds and megabytes."""

    references: int
    method: str
    recall_1: float
    recall_10: float
    p50_ms: float
    p99_ms: float
    per_second: float
    build_s: float
    open_s: float
    resident_mb: float
    peak_mb: float


class FileSource:
    """Descriptors [P, D] float16 in a file, read and not mapped.

    More rows than the file has repeat it from its beginning.
    """

    def __init__(self, path: Path, rows: int, dim: int) -> None:
        self._file = os.open(path, os.O_RDONLY)
        self._stored = path.stat().st_size // (2 * dim)
        self.rows, self.dim = rows, dim

    def read(self, ids: np.ndarray) -> np.ndarray:
        """[len(ids), D] float32."""
        size = 2 * self.dim
        found = np.empty((len(ids), self.dim), np.float32)
        for row, number in enumerate((ids % self._stored).tolist()):
            found[row] = widened(np.frombuffer(os.pread(self._file, size, number * size), '<f2'))
        return found


class Contender:
    """A structure of FAISS between the reduction and the exact comparison of `large`.

    Args:
        factory: of the structure, for faiss.index_factory.
        tune: sets what is searched.
    """

    def __init__(
        self, source: FileSource, factory: str, tune: Callable[[faiss.Index], object]
    ) -> None:
        self._source = source
        rng = np.random.default_rng(1)
        ids = np.arange(source.rows)
        drawn = np.sort(rng.permutation(ids)[:REDUCTION_SAMPLE])
        self._reduction = Reduction.fit(source.read(drawn), REDUCED_DIM, 1)
        self._index = faiss.index_factory(self._reduction.dim, factory)
        drawn = np.sort(rng.permutation(ids)[: 39 * max(256, _list_count(source.rows))])
        self._index.train(self._reduced(drawn))
        size = block_rows(source.dim)
        for first in range(0, len(ids), size):
            self._index.add(self._reduced(ids[first : first + size]))
        tune(self._index)

    def _reduced(self, ids: np.ndarray) -> np.ndarray:
        size = block_rows(self._source.dim)
        parts = [ids[first : first + size] for first in range(0, len(ids), size)]
        return np.concatenate([self._reduction.references(self._source.read(p)) for p in parts])

    def search(self, descriptor: np.ndarray, k: int) -> list[Candidate]:
        """As PlaceIndex.search."""
        asked = max(SHORTLIST, k + k // 4)
        _, (ids,) = self._index.search(self._reduction.query(descriptor)[None], asked)
        ids = ids[ids >= 0]
        exact = self._source.read(ids) @ descriptor
        order = np.lexsort((ids, -exact))[:k]
        return [Candidate(int(ids[row]), float(exact[row])) for row in order]


def _contender(method: str, source: FileSource) -> Contender:
    number = _list_count(source.rows)
    searched = max(SEARCHED_SHARE * source.rows, MIN_SEARCHED)
    probes = min(number, math.ceil(searched / source.rows * number))

    def probing(index: faiss.Index) -> None:
        faiss.extract_index_ivf(index).nprobe = probes

    def beam(index: faiss.Index) -> None:
        index.hnsw.efSearch = 256

    ways: dict[str, tuple[str, Callable[[faiss.Index], object]]] = {
        'scan-sq8': ('SQ8', lambda index: None),
        'ivf-sq8': (f'IVF{number},SQ8', probing),
        'ivf-pq': (f'IVF{number},PQ64x8', probing),
        'hnsw-sq8': ('HNSW32_SQ8', beam),
    }
    return Contender(source, *ways[method])


def _list_count(references: int) -> int:
    """Four times the root of the references, where k-means has 39 of them for each list."""
    return max(1, min(round(4 * math.sqrt(references)), references // 39))


METHODS = ('flat', 'gpu', 'large', 'milvus', 'scan-sq8', 'ivf-sq8', 'ivf-pq', 'hnsw-sq8')


def make_map(path: Path, model_file: Path, sizes: Sequence[int], queries: int) -> np.ndarray:
    """Write the largest map; queries [Q, D] float32, and the exact answers of every size.

    Returns:
        The queries. Beside `path` lie `exact-SIZE.npy`, [Q, TOP] int64.
    """
    model = real_model(Path(os.environ['FOL_VPR_SHARED']), model_file)
    print(f'{len(model.deviations)} real descriptors, {len(model.differences)} differences; '
          f'share of the tail {model.tail:.2f}')  # fmt: skip
    asked = _queries(model, queries, min(sizes))
    best = np.full((queries, TOP), -np.inf, np.float32)
    ids = np.zeros((queries, TOP), np.int64)
    done, number = 0, 0
    with path.open('wb') as file:
        for size in sorted(sizes):
            while done < size:
                # A size may end within a block; the next one goes on with the next block.
                rows = model.block(number, BLOCK_LOCATIONS)[0].astype(np.float16)[: size - done]
                file.write(rows.data)
                best, ids = _merged(best, ids, asked @ rows.astype(np.float32).T, done)
                done, number = done + len(rows), number + 1
            np.save(path.with_name(f'exact-{size}.npy'), ids)
    return asked


def _merged(
    best: np.ndarray, ids: np.ndarray, products: np.ndarray, first: int
) -> tuple[np.ndarray, np.ndarray]:
    """The TOP best similarities and ids [Q, TOP] once references from `first` on are known."""
    numbers = np.broadcast_to(np.arange(first, first + products.shape[1]), products.shape)
    products = np.concatenate([best, products], axis=1)
    numbers = np.concatenate([ids, numbers], axis=1)
    order = np.argsort(-products, axis=1, kind='stable')[:, :TOP]
    return np.take_along_axis(products, order, 1), np.take_along_axis(numbers, order, 1)


def _queries(model: Model, count: int, references: int) -> np.ndarray:
    """Queries [count, D] of places that are among the first `references`."""
    blocks = range(-(-references // (BLOCK_LOCATIONS * VIEWS)))
    found = [model.block(number, BLOCK_LOCATIONS)[1] for number in blocks]
    whole = np.concatenate(found)[: references // VIEWS]
    return whole[np.linspace(0, len(whole) - 1, min(count, len(whole))).astype(int)]


def recalls(path: Path, size: int, found: list[list[int]]) -> tuple[float, float]:
    """Share of the exact first, and of the exact TOP, among the first TOP that were found."""
    answers = path.with_name(f'exact-{size}.npy')
    if not answers.exists():
        return math.nan, math.nan
    pairs = list(zip(np.load(answers).tolist(), found, strict=True))
    first = float(np.mean([a[0] == b[0] for a, b in pairs]))
    return first, float(np.mean([len({*a} & {*b}) / TOP for a, b in pairs]))


def measure(
    method: str,
    path: Path,
    queries: np.ndarray,
    size: int,
    threads: int,
    repeat: int,
    milvus: str = '',
) -> Row:
    """Build an index, ask it everything, and compare; in a process of its own."""
    faiss.omp_set_num_threads(threads)
    torch.set_num_threads(threads)
    source = FileSource(path, size, queries.shape[1])
    places = [Place(number, f'{number}', '', 0, '', (1, 1)) for number in range(size)]
    cache = path.with_name(f'large-{size}.index')
    before = time.perf_counter()
    index = _opened(method, source, places, cache, milvus)
    build = time.perf_counter() - before
    opened = 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if method == 'large':
        # What the next start of the program finds: its cache, in a fresh process.
        del index
        before = time.perf_counter()
        index = _opened(method, source, places, cache, milvus)
        opened = time.perf_counter() - before
    milliseconds: list[float] = []
    found = [[c.index for c in index.search(query, ASKED)[:TOP]] for query in queries]
    for _ in range(repeat):
        for query in queries:
            before = time.perf_counter()
            index.search(query, ASKED)
            milliseconds.append(1000 * (time.perf_counter() - before))
    first, top = recalls(path, size, found)
    return Row(
        references=size,
        method=method,
        recall_1=first,
        recall_10=top,
        p50_ms=float(np.percentile(milliseconds, 50)),
        p99_ms=float(np.percentile(milliseconds, 99)),
        per_second=1000 / float(np.mean(milliseconds)),
        build_s=build,
        open_s=opened,
        resident_mb=_resident() / 1e6,
        peak_mb=peak / 1e6,
    )


def _opened(
    method: str, source: FileSource, places: list[Place], cache: Path, milvus: str
) -> FlatIndex | GpuIndex | LargeIndex | MilvusIndex | Contender:
    if method == 'flat':
        return FlatIndex.read(source, places)
    if method == 'gpu':
        return GpuIndex(source, places, 'cuda')
    if method == 'large':
        return LargeIndex(source, places, content='benchmark', cache=cache)
    if method == 'milvus':
        return _on_server(milvus, source, places)
    return _contender(method, source)


def _on_server(uri: str, source: FileSource, places: list[Place]) -> MilvusIndex:
    """The index on a server, once that has written and indexed all references."""
    content = f'benchmark_{os.getpid()}'
    index = MilvusIndex(
        uri, source, places, content=content, timeout=SERVER_LIMIT, load_timeout=SERVER_LIMIT
    )
    address = MilvusAddress.parse(uri)
    client = Connection(address, SERVER_LIMIT)
    client.call('flush', index.collection, within=SERVER_LIMIT)
    while True:
        state = client.call('describe_index', index.collection, 'descriptor', within=SERVER_LIMIT)
        if state['indexed_rows'] >= len(places) and not state['pending_index_rows']:
            break
        time.sleep(1)
    client.call('refresh_load', index.collection, within=SERVER_LIMIT)
    client.close()
    return index


def _resident() -> float:
    """Bytes of memory that this process has now, mapped files included."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(1024.0 * float(line.split()[1]) for line in lines if line.startswith('VmRSS:'))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('--sizes', type=int, nargs='+', default=list(SIZES))
    parser.add_argument('--methods', nargs='+', choices=METHODS, default=['flat', 'large'])
    parser.add_argument('--milvus', default='', help='address of the server for milvus')
    parser.add_argument(
        '--stored',
        type=int,
        help='at most so many references are made; larger maps repeat them, which shows times and '
        'memory but no recall',
    )
    parser.add_argument('--queries', type=int, default=200)
    parser.add_argument('--repeat', type=int, default=5)
    parser.add_argument('--folder', type=Path, help='for the maps; a temporary one by default')
    parser.add_argument(
        '--real', type=Path, help='.npy to keep the descriptors of the real images in'
    )
    options = parser.parse_args(arguments)
    if 'FOL_VPR_SHARED' not in os.environ:
        print('left out: FOL_VPR_SHARED does not name a folder with real images')
        return 0
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        kept = options.real or folder / 'real.npy'
        path = folder / 'map.f16'
        stored = min(options.stored or max(options.sizes), max(options.sizes))
        made = {min(size, stored) for size in options.sizes}
        queries = make_map(path, kept, sorted(made), options.queries)
        print(_line(['references', 'method', 'R@1', 'R@10', 'p50 ms', 'p99 ms', 'queries/s',
                     'build s', 'open s', 'resident MB', 'peak MB']))  # fmt: skip
        # Threads of this process must not be inherited half.
        context = multiprocessing.get_context('spawn')
        for size in sorted(options.sizes):
            for method in options.methods:
                if method == 'flat' and size > FLAT_LIMIT:
                    continue
                with context.Pool(1) as pool:
                    counts = (size, options.threads, options.repeat)
                    row = pool.apply(measure, (method, path, queries, *counts, options.milvus))
                rows.append(row)
                print(_line(_cells(row)), flush=True)
    write_figures(options.json, [asdict(row) for row in rows])
    return 0


def _cells(row: Row) -> list[str]:
    return [
        str(row.references), row.method, f'{row.recall_1:.3f}', f'{row.recall_10:.3f}',
        f'{row.p50_ms:.2f}', f'{row.p99_ms:.2f}', f'{row.per_second:.0f}', f'{row.build_s:.1f}',
        f'{row.open_s:.2f}', f'{row.resident_mb:.0f}', f'{row.peak_mb:.0f}',
    ]  # fmt: skip


def _line(cells: Sequence[str]) -> str:
    return f'{cells[0]:>10}  {cells[1]:11}' + ''.join(f'{cell:>12}' for cell in cells[2:])
