"""Recall while training is that of the product."""

from __future__ import annotations

import pytest
from helpers.training.datasets import grouped

from fol_vpr.config import MappingConfig, NetworkConfig, RecognizerConfig
from fol_vpr.evaluation.offline import answer_offline
from fol_vpr.mapping import build_map
from fol_vpr.recognizer import PlaceRecognizer
from training.data import open_validation
from training.data.config import FoldersSource
from training.recall import evaluate

pytestmark = pytest.mark.usefixtures('one_thread')


def test_candidates_come_in_the_order_that_the_product_gives_them(tmp_path):
    """Its score depends on all candidates of the search, so that there must be as many."""
    chosen = open_validation(FoldersSource(str(grouped(tmp_path / 'places', 60, images=2))), 8)
    network = NetworkConfig(weights='fol_tiny', threads=1)
    measured = evaluate(network, chosen.references, chosen.queries, chosen.positives, rerank=20)
    recognizer = PlaceRecognizer(RecognizerConfig(network))
    path = tmp_path / 'm.folmap'
    build_map(chosen.references, path, recognizer.extractor, MappingConfig(store_images=False))
    recognizer.load_map(path)
    answers = answer_offline(recognizer, chosen.queries)
    recognizer.close()
    rankings = [[list(a.ranking[:10]) for a in each] for each in (measured.answers, answers.items)]
    assert rankings[0] == rankings[1]
