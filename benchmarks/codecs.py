"""What each codec of local features costs, and what it does to recall.

    python -m benchmarks.codecs [--places FOLDER ...] [--weights fol_tiny] [--rerank 20]

References and queries are described once. For every codec a map is written and read again, and
the queries are ordered by the code of the product: by evidence, and by the number of matches as
the released code does. Recall is of gardens_point and corridor of $FOL_VPR_SHARED, and of folders
with one folder of views for each place.

Time is for reading and matching one candidate at a query of as many rows as the weights give;
`matched` is how many of the candidates the similarities left in doubt.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.datasets import PlaceSet, place_sets
from fol_vpr.config import NetworkConfig, RetrievalConfig
from fol_vpr.database import CODECS, Codec, MapHeader, MapReader, MapWriter
from fol_vpr.datatypes import Candidate, Features
from fol_vpr.network import FeatureExtractor
from fol_vpr.retrieval import FlatIndex, match_candidates, rerank
from fol_vpr.sources import decode_bytes

TIMED_CANDIDATES = 20
TIMED_REPETITIONS = 5


@dataclass
class Row:
    """One codec on one set; recall in percent.

    Attributes:
        kilobytes: of a reference's local features at rest.
        milliseconds: to read and match one candidate, the fastest repetition.
        matched: candidates a query was matched with, on the average, when ordered by evidence.
    """

    codec: str
    set: str
    queries: int
    kilobytes: float
    milliseconds: float
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
    rows = []
    with tempfile.TemporaryDirectory(prefix='fol_vpr_codecs_') as folder:
        for codec in codecs:
            path = Path(folder) / f'{codec}.folmap'
            _write_map(path, codec, references, extractor)
            with MapReader(path) as reader:
                rows.append(_row(places, reader, references, queries, count))
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
            writer.add(
                single(features), session_id='', stamp_ns=0, image_uri='', source_position=number
            )
        writer.finish()


def _row(
    places: PlaceSet,
    reader: MapReader,
    references: Sequence[Features],
    queries: Sequence[Features],
    count: int,
) -> Row:
    index = FlatIndex(reader.global_descriptors())
    by_evidence = RetrievalConfig(rerank=count, order='evidence')
    configs = {'evidence': by_evidence, 'matches': replace(by_evidence, order='matches')}
    hits = dict.fromkeys(('global', *configs), 0)
    answerable = matched = 0
    for query, positives in zip(queries, places.positives, strict=True):
        if not positives:
            continue
        answerable += 1
        found = index.search(query.global_descriptor, by_evidence.candidates)
        hits['global'] += found[0].index in positives
        for name, config in configs.items():
            ranked = _ranked(reader, single(query), found, config)
            hits[name] += ranked[0].index in positives
            if name == 'evidence':
                matched += sum(not np.isnan(candidate.match_score) for candidate in ranked)
    share = {name: 100 * number / answerable for name, number in hits.items()}
    return Row(
        codec=reader.codec.name,
        set=places.name,
        queries=answerable,
        kilobytes=_stored_bytes(reader.codec, references) / 1000,
        milliseconds=_milliseconds(reader, single(queries[0])),
        recall_global=share['global'],
        recall_matches=share['matches'],
        recall_evidence=share['evidence'],
        matched=matched / answerable,
    )


def _ranked(
    reader: MapReader, query: Features, found: list[Candidate], config: RetrievalConfig
) -> list[Candidate]:
    codec = reader.codec
    return rerank(
        codec.prepare(query.local),
        found,
        reader.local_features,
        config,
        threshold=codec.threshold(config.match_threshold),
    )


def _stored_bytes(codec: Codec, references: Sequence[Features]) -> float:
    """Of a place's blob, on the average."""
    sizes = [len(codec.encode(codec.thin(single(features).local))) for features in references]
    return float(np.mean(sizes))


def _milliseconds(reader: MapReader, query: Features) -> float:
    codec, best = reader.codec, float('inf')
    candidates = range(min(TIMED_CANDIDATES, len(reader.places)))
    threshold = codec.threshold(RetrievalConfig.match_threshold)
    for _ in range(TIMED_REPETITIONS):
        started = time.perf_counter()
        rows = [reader.local_features(index).descriptors for index in candidates]
        match_candidates(codec.prepare(query.local).descriptors, rows, threshold)
        best = min(best, time.perf_counter() - started)
    return 1000 * best / len(candidates)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--places', nargs='*', type=Path, default=[], metavar='FOLDER')
    parser.add_argument('--weights', default=NetworkConfig.weights)
    parser.add_argument('--codecs', nargs='+', choices=CODECS, default=list(CODECS))
    parser.add_argument('--rerank', type=int, default=RetrievalConfig.rerank)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--json', type=Path, help='write the figures there as well')
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    sets = place_sets(options.places)
    if not sets:
        print('no images: set FOL_VPR_SHARED or give --places')
        return 0
    extractor = FeatureExtractor(NetworkConfig(weights=options.weights))
    print(
        f'{extractor.weights_name}, {options.rerank} candidates, {options.threads} threads, '
        f'load {os.getloadavg()[0]:.1f} (should be near 0)'
    )
    print(f'{"":14}{"":9}{"kB a":>8}{"ms a":>8}{"":9}Recall@1, %{"":14}matched')
    print(
        f'{"set":14}{"codec":9}{"place":>8}{"cand.":>8}{"global":>9}{"matches":>9}{"evidence":>10}'
    )
    rows = []
    for places in sets:
        for row in measure(places, extractor, options.codecs, options.rerank):
            rows.append(row)
            print(
                f'{row.set:14}{row.codec:9}{row.kilobytes:8.1f}{row.milliseconds:8.2f}'
                f'{row.recall_global:9.1f}{row.recall_matches:9.1f}{row.recall_evidence:10.1f}'
                f'{row.matched:9.1f}',
                flush=True,
            )
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    return 0 if all(row.recall_evidence >= row.recall_global for row in rows) else 1


if __name__ == '__main__':
    raise SystemExit(main())
