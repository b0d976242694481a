"""What darkness costs: recall before re-ranking with the queries as they are, and darkened.

    TOWN=DIR FOL_VPR_SHARED=DIR python -m benchmarks dark_queries [--weights WEIGHTS ...]

Measured on the sets of training/configs/measure.yaml. Darkening takes a value v from 0 to 1 to
0.35 v², adds Gaussian noise of 0.03, and multiplies red, green and blue by 1.1, 0.95 and 0.7, as
under a street lamp. That is no photograph taken at night, but it tells apart what needs daylight.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.options import benchmark_parser
from fol_vpr.config import NetworkConfig
from fol_vpr.network import FeatureExtractor
from training.data import open_validation
from training.settings import read_config

MEASURED = 'training/configs/measure.yaml'
LAMP = np.array([1.1, 0.95, 0.7])
SHOWN = (1, 5)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print, one line for each set and network."""
    parser = benchmark_parser(__name__, __doc__, figures=False)
    parser.add_argument('--weights', nargs='+', default=['fol_tiny'])
    parser.add_argument('--input-size', type=int, default=182)
    parser.add_argument('--queries', type=int, default=80, help='most queries of a set')
    options = parser.parse_args(arguments)
    heads = [f'{light} R@{k}' for light in ('as they are', 'darkened') for k in SHOWN]
    print('| set | weights | ' + ' | '.join(heads) + ' |\n|' + ' --- |' * (2 + len(heads)))
    for each in read_config(MEASURED).validation.sets:
        chosen = open_validation(each, options.queries)
        queries = [item.load() for item in chosen.queries.items]
        for weights in options.weights:
            config = NetworkConfig(
                weights=weights, input_size=options.input_size, threads=options.threads
            )
            extractor = FeatureExtractor(config)
            references = _described(extractor, [item.load() for item in chosen.references.items])
            cells = []
            for images in (queries, [darkened(q, n) for n, q in enumerate(queries)]):
                order = np.argsort(-_described(extractor, images) @ references.T, axis=1)
                for k in SHOWN:
                    hits = [
                        bool(set(row[:k].tolist()) & set(right or ()))
                        for row, right in zip(order, chosen.positives, strict=True)
                    ]
                    cells.append(f'{100 * np.mean(hits):.1f}')
            extractor.close()
            print(f'| {chosen.name} | {weights} | ' + ' | '.join(cells) + ' |', flush=True)
    return 0


def darkened(image: np.ndarray, seed: int) -> np.ndarray:
    """An image [H, W, 3] uint8, RGB, as a poor camera would see it under a lamp."""
    light = 0.35 * (image / 255.0) ** 2
    light = (light + np.random.default_rng(seed).normal(0, 0.03, light.shape)) * LAMP
    return (255 * light.clip(0, 1)).astype(np.uint8)


def _described(extractor: FeatureExtractor, images: Sequence[np.ndarray]) -> np.ndarray:
    """Global descriptors [len(images), D] float32."""
    return np.stack([extractor.extract([image])[0].global_descriptor for image in images])
