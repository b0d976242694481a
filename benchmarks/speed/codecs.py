"""What each codec of local features costs, and what it does to recall.

    python -m benchmarks codecs [--places FOLDER ...] [--weights fol_tiny] [--rerank 20]

References and queries are described once. For every codec a map is written and read again, and
the queries are ordered by the code of the product: by evidence, and by the number of matches as
the released code does. Recall is of gardens_point and corridor of $FOL_VPR_SHARED, and of folders
with one folder of views for each place.

`ms a candidate` is the time to read and match one candidate. `ms a query` is the time to re-rank
all candidates of a query by spatial score; `matched` is the number that it matches locally. The
last column divides the time of the released algorithm (see benchmarks/speed/reranking.py) by ours,
for as many candidates; its features are float32, padded to one number of rows, and in memory.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.datasets import PlaceSet, place_sets
from benchmarks.options import benchmark_parser, write_figures
from benchmarks.speed.reranking import released_scores
from fol_vpr.config import NetworkConfig, RetrievalConfig
from fol_vpr.database import CODECS, Codec, MapHeader, MapReader, MapWriter
from fol_vpr.datatypes import Candidate, Features, Frame
from fol_vpr.network import FeatureExtractor
from fol_vpr.retrieval import CoarseFeatures, FlatIndex, match_candidates, rerank
from fol_vpr.sources import decode_bytes

TIMED_CANDIDATES = 20
TIMED_REPETITIONS = 5
RELEASED_REPETITIONS = 3
HEADS = (
    'set', 'codec', 'kB a place', 'ms a candidate', 'ms a query', 'released takes', 'matched',
    'R@1 global', 'by matches', 'by evidence',
)  # fmt: skip


@dataclass
class Row:
    """One codec on one set; recall in percent.

    Attributes:
        kilobytes: of a reference's local features at rest.
        milliseconds: to read and match one candidate, the fastest repetition.
        query_ms: to order all candidates of a query by evidence, reading included; the median.
        released_ms: of the released algorithm for as many candidates, the fastest repetition.
        matched: candidates a query was matched with, on the average, when ordered by evidence.
    """

    codec: str
    set: str
    queries: int
    kilobytes: float
    milliseconds: float
    query_ms: float
    released_ms: float
    recall_global: float
    recall_matches: float
    recall_evidence: float
    matched: float = field(default=0.0)


def describe(extractor: FeatureExtractor, paths: Sequence[Path]) -> list[Features]:
    """Features of image files; descriptors as float16, as they are kept for the measurement."""
    found = []
    for path in paths:
        features = extractor.extract([decode_bytes(path.read_bytes(), str(path))])[0]
        local = features.local
        half = replace(local, descriptors=local.descriptors.astype(np.float16))
        found.append(replace(features, local=half))
    return found


def single(features: Features) -> Features:
    """With descriptors in float32 again."""
    rows = features.local.descriptors.astype(np.float32)
    return replace(features, local=replace(features.local, descriptors=rows))


def measure(
    places: PlaceSet, extractor: FeatureExtractor, codecs: Sequence[str], count: int
) -> list[Row]:
    """All codecs on one set."""
    references = describe(extractor, places.references)
    queries = describe(extractor, places.queries)
    released = _released_ms(queries[0], references[:count])
    rows = []
    with tempfile.TemporaryDirectory(prefix='fol_vpr_codecs_') as folder:
        for codec in codecs:
            path = Path(folder) / f'{codec}.folmap'
            _write_map(path, codec, references, extractor)
            with MapReader(path) as reader:
                rows.append(_row(places, reader, references, queries, count, released))
            path.unlink()
    return rows


def _write_map(
    path: Path, codec: str, references: Sequence[Features], extractor: FeatureExtractor
) -> None:
    header = MapHeader(
        name='benchmark',
        model_id=extractor.model_id,
        preprocessing_id=extractor.preprocessing_id,
        weights_name=extractor.weights_name,
        codec=codec,
        descriptor_dim=extractor.descriptor_dim,
        local_dim=extractor.local_dim,
    )
    with MapWriter(path, header) as writer:
        for number, features in enumerate(references):
            width, height = features.image_size
            frame = Frame(np.zeros((height, width, 3), np.uint8))
            writer.add(frame, single(features), session_id='', source_position=number)
        writer.finish()


def _row(
    places: PlaceSet,
    reader: MapReader,
    references: Sequence[Features],
    queries: Sequence[Features],
    count: int,
    released_ms: float,
) -> Row:
    index = FlatIndex(reader.global_descriptors())
    by_evidence = RetrievalConfig(rerank=count, rerank_score='spatial')
    configs = {
        'evidence': by_evidence,
        'matches': replace(by_evidence, rerank_score='match_count'),
    }
    hits = dict.fromkeys(('global', *configs), 0)
    answerable = matched = 0
    times: list[float] = []
    for query, positives in zip(queries, places.positives, strict=True):
        if not positives:
            continue
        answerable += 1
        found = index.search(query.global_descriptor, by_evidence.candidates)
        hits['global'] += found[0].index in positives
        for name, config in configs.items():
            given = single(query)
            started = time.perf_counter()
            ranked = _ranked(reader, given, found, config)
            elapsed = time.perf_counter() - started
            hits[name] += ranked[0].index in positives
            if name == 'evidence':
                matched += sum(not np.isnan(candidate.match_score) for candidate in ranked)
                times.append(elapsed)
    share = {name: 100 * number / answerable for name, number in hits.items()}
    return Row(
        codec=reader.codec.name,
        set=places.name,
        queries=answerable,
        kilobytes=_stored_bytes(reader.codec, references) / 1000,
        milliseconds=_milliseconds(reader, single(queries[0])),
        query_ms=1000 * float(np.median(times)),
        released_ms=released_ms,
        recall_global=share['global'],
        recall_matches=share['matches'],
        recall_evidence=share['evidence'],
        matched=matched / answerable,
    )


def _ranked(
    reader: MapReader, query: Features, found: list[Candidate], config: RetrievalConfig
) -> list[Candidate]:
    codec = reader.codec
    given = codec.transform_query(query.local)
    return rerank(
        given,
        found,
        reader.local_features,
        config,
        threshold=codec.threshold(config.match_threshold),
        coarse=CoarseFeatures(codec.coarse_query(given), codec.coarse),
    )


def _stored_bytes(codec: Codec, references: Sequence[Features]) -> float:
    """Of a place's blob, on the average."""
    sizes = [len(codec.encode(codec.subsample(single(features).local))) for features in references]
    return float(np.mean(sizes))


def _milliseconds(reader: MapReader, query: Features) -> float:
    codec, best = reader.codec, float('inf')
    candidates = range(min(TIMED_CANDIDATES, len(reader.places)))
    threshold = codec.threshold(RetrievalConfig.match_threshold)
    for _ in range(TIMED_REPETITIONS):
        started = time.perf_counter()
        rows = [reader.local_features(index).descriptors for index in candidates]
        match_candidates(codec.transform_query(query.local).descriptors, rows, threshold)
        best = min(best, time.perf_counter() - started)
    return 1000 * best / len(candidates)


def _released_ms(query: Features, references: Sequence[Features]) -> float:
    rows = [single(features).local.descriptors for features in references]
    padded = np.zeros((len(rows), max(map(len, rows)), rows[0].shape[1]), np.float32)
    for candidate, descriptors in zip(padded, rows, strict=True):
        candidate[: len(descriptors)] = descriptors
    given = torch.from_numpy(single(query).local.descriptors), torch.from_numpy(padded)
    best = float('inf')
    for _ in range(RELEASED_REPETITIONS):
        started = time.perf_counter()
        released_scores(*given)
        best = min(best, time.perf_counter() - started)
    return 1000 * best


def _cells(row: Row) -> list[str]:
    recall = (row.recall_global, row.recall_matches, row.recall_evidence)
    return [
        row.set, row.codec, f'{row.kilobytes:.1f}', f'{row.milliseconds:.2f}',
        f'{row.query_ms:.1f}', f'{row.released_ms / row.query_ms:.1f} times', f'{row.matched:.1f}',
        *(f'{share:.1f}' for share in recall),
    ]  # fmt: skip


def _line(cells: Sequence[str]) -> str:
    return '| ' + ' | '.join(cells) + ' |'


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('--places', nargs='*', type=Path, default=[], metavar='FOLDER')
    parser.add_argument('--weights', default=NetworkConfig.weights)
    parser.add_argument('--codecs', nargs='+', choices=CODECS, default=list(CODECS))
    parser.add_argument('--input-size', type=int, default=0, help='0 takes that of the weights')
    parser.add_argument('--rerank', type=int, default=RetrievalConfig.rerank)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    sets = place_sets(options.places)
    if not sets:
        print('no images: set FOL_VPR_SHARED or give --places')
        return 0
    extractor = FeatureExtractor(
        NetworkConfig(weights=options.weights, input_size=options.input_size)
    )
    print(
        f'{extractor.weights_name}, {options.rerank} candidates, {options.threads} threads, '
        f'load {os.getloadavg()[0]:.1f} (should be near 0)'
    )
    print(_line(HEADS) + '\n' + '|' + ' --- |' * len(HEADS))
    rows = []
    for places in sets:
        for row in measure(places, extractor, options.codecs, options.rerank):
            rows.append(row)
            print(_line(_cells(row)), flush=True)
    write_figures(options.json, [asdict(row) for row in rows])
    return 0 if all(row.recall_evidence >= row.recall_global for row in rows) else 1
