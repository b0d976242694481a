"""A map that was described in one number format, asked in another: real images, `fol_tiny`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fol_vpr.config import MappingConfig, NetworkConfig, RecognizerConfig
from fol_vpr.mapping import build_map
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.sources import open_source

QUERIES = (5, 25, 45, 65, 85, 105)


def config(precision: str) -> RecognizerConfig:
    return RecognizerConfig(network=NetworkConfig('fol_tiny', device='cpu', precision=precision))


@pytest.fixture(scope='module')
def corridor(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every fifth reference of the corridor, described in float32."""
    folder = tmp_path_factory.mktemp('corridor')
    (folder / 'images').mkdir()
    for path in sorted((data / 'corridor' / 'ref').iterdir())[::5]:
        (folder / 'images' / path.name).symlink_to(path)
    recognizer = PlaceRecognizer(config('float32'))
    build_map(
        open_source(folder / 'images'),
        folder / 'map.folmap',
        recognizer.extractor,
        MappingConfig(),
    )
    recognizer.close()
    return folder / 'map.folmap'


def test_a_map_in_float32_gives_the_same_answers_in_bfloat16(corridor, data):
    wanted = dict(open_source(data / 'corridor' / 'query').frames())
    answers, described = [], []
    for precision in ('float32', 'bfloat16'):
        recognizer = PlaceRecognizer(config(precision))
        recognizer.load_map(corridor)
        assert recognizer.extractor.precision == precision
        assert recognizer.extractor.preprocessing_id == 'fixed-182-imagenet'
        first = [recognizer.recognize(wanted[k]).hypotheses[0] for k in QUERIES]
        answers.append([hypothesis.place.index for hypothesis in first])
        images = [wanted[k].image for k in QUERIES[:2]]
        described.append(recognizer.extractor.extract(images))
        recognizer.close()
    assert answers[0] == answers[1]
    for exact, half in zip(*described, strict=True):
        assert 0.9999 < exact.global_descriptor @ half.global_descriptor < 0.9999999
        np.testing.assert_array_equal(exact.local.positions, half.local.positions)
        cosine = (exact.local.descriptors * half.local.descriptors).sum(axis=1)
        assert cosine.min() > 0.998 and np.median(cosine) > 0.9995
