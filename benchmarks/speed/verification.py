"""Geometric verification of the hypotheses of an image, call by call.

    python -m benchmarks verification [--map BAG] [--queries BAG] [--every 4]

The bags are drives through one town (docs/how-to/synthetic_town.md), by default those of
`make demo`. The network and the search run once for each image, the calls of the verification
`REPETITIONS` times, of which the fastest counts. Calls are timed one after the other, so that the
sampling, which runs side by side in `verify_pairs`, is counted in full.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.accuracy.geometry import TOWN, queries
from benchmarks.options import benchmark_parser, write_figures
from fol_vpr.config import MappingConfig, RecognizerConfig
from fol_vpr.database import MapReader
from fol_vpr.datatypes import Features, Frame
from fol_vpr.decision import assess_image
from fol_vpr.geometry import MatchedPair, matching_camera, pixels_to_rays, verify_pairs
from fol_vpr.geometry.two_view import models
from fol_vpr.geometry.two_view.joint_fit import JointRays
from fol_vpr.geometry.viewing_rays import Rays
from fol_vpr.mapping import build_map
from fol_vpr.network import FeatureExtractor
from fol_vpr.retrieval import match_candidates, unit_rows
from fol_vpr.sources import open_source

REPETITIONS = 5


@dataclass
class Calls:
    """Milliseconds of each call, by its name, one number for each image."""

    milliseconds: dict[str, list[float]] = field(default_factory=dict)

    def time(self, name: str, call: Callable[[], Any]) -> Any:
        """Result of a call, whose fastest repetition is counted."""
        fastest = float('inf')
        for _ in range(REPETITIONS):
            started = time.perf_counter()
            result = call()
            fastest = min(fastest, time.perf_counter() - started)
        self.milliseconds.setdefault(name, []).append(1000 * fastest)
        return result


def verify_by_calls(
    frame: Frame, features: Features, reader: MapReader, places: Sequence[int], calls: Calls
) -> list[int]:
    """Verify the candidates `places` of an image call by call; their inliers."""
    settings = RecognizerConfig()
    codec, limit = reader.codec, settings.verification.inlier_threshold
    calls.time('assess the image', lambda: assess_image(frame.image))
    query = calls.time(
        'thin the query', lambda: codec.transform_query(codec.subsample(features.local))
    )
    references = calls.time(
        'read local features', lambda: [reader.local_features(place) for place in places]
    )
    threshold = codec.threshold(settings.retrieval.match_threshold)
    rows = [reference.descriptors for reference in references]
    matches = calls.time('match', lambda: match_candidates(query.descriptors, rows, threshold))

    def matched() -> list[MatchedPair]:
        size = features.image_size
        return [
            MatchedPair(
                query.positions[found[:, 0]],
                reference.positions[found[:, 1]],
                size,
                reader.places[place].image_size,
                matching_camera(frame.camera, size),
                matching_camera(reader.places[place].camera, reader.places[place].image_size),
                np.einsum(
                    'kc,kc->k',
                    unit_rows(query.descriptors[found[:, 0]]),
                    unit_rows(reference.descriptors[found[:, 1]]),
                ),
            )
            for place, reference, found in zip(places, references, matches, strict=True)
        ]

    pairs = calls.time('positions and cosines', matched)
    _fit_by_calls(pairs, limit, calls)
    geometries = calls.time(
        'all of verify_pairs', lambda: verify_pairs(pairs, settings.verification)
    )
    return [geometry.inliers for geometry in geometries]


def _fit_by_calls(pairs: Sequence[MatchedPair], limit: float, calls: Calls) -> None:
    """The calls of `verify_pairs` for pairs with both cameras."""

    def both_rays(pair: MatchedPair) -> tuple[Rays, Rays]:
        assert pair.query_camera is not None and pair.reference_camera is not None
        return (
            pixels_to_rays(pair.query_camera, pair.query_xy, pair.query_size),
            pixels_to_rays(pair.reference_camera, pair.reference_xy, pair.reference_size),
        )

    rays = calls.time('viewing rays', lambda: [both_rays(pair) for pair in pairs])
    cosines = [pair.cosines for pair in pairs]
    calls.time(
        'order of the samples',
        lambda: [
            models.sampling_order(*pair.rescaled, known)
            for pair, known in zip(pairs, cosines, strict=True)
            if known is not None
        ],
    )
    essentials = calls.time(
        'order and sampling',
        lambda: [
            models.fit_essential(both[0], both[1], limit, known)
            for both, known in zip(rays, cosines, strict=True)
        ],
    )
    found = [row for row, matrix in enumerate(essentials) if matrix is not None]
    if not found:
        return
    stacked = np.stack([essentials[row] for row in found])
    joint = calls.time('prepare rays', lambda: JointRays([rays[row] for row in found]))
    start = calls.time('motions in front', lambda: joint.motions(stacked, limit))
    motions = calls.time('refine', lambda: joint.refined(start, limit))
    calls.time('inliers', lambda: joint.inliers(motions, limit))


def measure(map_bag: Path, query_bag: Path, every: int) -> dict[str, object]:
    """Milliseconds of each call for an image, and the mean inliers."""
    settings = RecognizerConfig()
    extractor = FeatureExtractor(settings.network)
    calls, inliers = Calls(), []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'm.folmap'
        source = open_source(map_bag, pose_topic='/ground_truth')
        build_map(source, path, extractor, MappingConfig())
        with MapReader(path) as reader:
            descriptors = reader.descriptors(range(len(reader.places)))
            for frame in queries(query_bag, every):
                features = extractor.extract([frame.image])[0]
                similar = np.argsort(-descriptors @ features.global_descriptor, kind='stable')
                places = [int(row) for row in similar[: settings.verification.verify]]
                inliers += verify_by_calls(frame, features, reader, places, calls)
    extractor.close()
    return {
        'images': len(calls.milliseconds['match']),
        'pairs': len(inliers),
        'inliers': statistics.mean(inliers),
        'milliseconds': {
            name: {'median': statistics.median(values), 'best': min(values)}
            for name, values in calls.milliseconds.items()
        },
    }


def print_table(result: dict[str, Any]) -> None:
    """The result for people: a line for each call."""
    print(
        f'{result["images"]} images, {result["pairs"]} pairs, {result["inliers"]:.1f} inliers a '
        'pair; milliseconds an image, median (best)'
    )
    for name, spent in result['milliseconds'].items():
        print(f'{name:24}{spent["median"]:8.2f} ({spent["best"]:.2f})')


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('--map', type=Path, default=TOWN / 'day', metavar='BAG')
    parser.add_argument('--queries', type=Path, default=TOWN / 'evening', metavar='BAG')
    parser.add_argument('--every', type=int, default=4, help='use every so many-th query')
    options = parser.parse_args(arguments)
    missing = [bag for bag in (options.map, options.queries) if not bag.is_dir()]
    if missing:
        print(
            f'{missing[0]} is not there: `make demo` draws the usual drives, or see '
            'docs/how-to/synthetic_town.md'
        )
        return 1
    torch.set_num_threads(options.threads)
    result = measure(options.map, options.queries, options.every)
    print_table(result)
    write_figures(options.json, result)
    return 0
