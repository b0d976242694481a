"""Recall on validation sets, by the same code that answers in the product.

The weights are written to a file, a map is built from the references, and the queries are put to
a PlaceRecognizer: what is selected here is what is used later.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from fol_vpr.config import (
    MappingConfig,
    NetworkConfig,
    RecognizerConfig,
    RetrievalConfig,
    VerificationConfig,
)
from fol_vpr.evaluation.ground_truth import Positives
from fol_vpr.evaluation.metrics import RECALL_AT
from fol_vpr.evaluation.offline import answer_offline
from fol_vpr.evaluation.report import Conditions, Evaluation
from fol_vpr.mapping import build_map
from fol_vpr.network import FoL, save_weights
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.sources import FrameSource
from training.data import ValidationSet
from training.module import FoLTraining


def evaluate(
    network: NetworkConfig,
    references: FrameSource,
    queries: FrameSource,
    positives: Positives,
    *,
    rerank: int,
    ground_truth: str = '',
) -> Evaluation:
    """Build a map from the references, in a temporary folder, and answer the queries from it.

    Args:
        network: weights and how they run.
        references, queries: the images.
        positives: for each query the references that show its place.
        rerank: candidates that are re-ranked.
        ground_truth: where the positives come from, in words.

    Raises:
        FolVprError: the weights or an image cannot be used.
    """
    # As many candidates as in the product: the score of re-ranking depends on all of them.
    candidates = max(rerank, RetrievalConfig.candidates, *RECALL_AT)
    retrieval = RetrievalConfig(candidates=candidates, rerank=rerank)
    # Geometric verification does not change the order of the answers.
    settings = RecognizerConfig(network, retrieval, VerificationConfig(verify=0))
    recognizer = PlaceRecognizer(settings)
    extractor = recognizer.extractor
    try:
        with tempfile.TemporaryDirectory(prefix='fol_training_') as folder:
            path = Path(folder) / 'references.folmap'
            info = build_map(references, path, extractor, MappingConfig(store_images=False))
            recognizer.load_map(path)
            answers = answer_offline(recognizer, queries)
            recognizer.close()
    finally:
        recognizer.close()
    conditions = Conditions(
        map=references.description,
        map_id=info.map_id,
        source=queries.description,
        ground_truth=ground_truth,
        weights=extractor.weights_name,
        trained=extractor.trained,
        model_id=extractor.model_id,
        preprocessing_id=extractor.preprocessing_id,
        references=info.places,
        device=extractor.device,
        precision=extractor.precision,
        rerank=rerank,
    )
    return Evaluation(conditions, positives, answers)


class Recall(pl.Callback):
    """Validates before the first step and after epochs; keeps the best weights.

    The values are logged as recall/<set>/global@1 and so on, and their mean over the sets as
    recall/global@1, recall/reranked@1. `best.safetensors` of the run is always whole, and has the
    highest value of `monitor`; without sets there is none.

    Args:
        sets: what is measured on.
        folder: of the run.
        every: epochs between validations.
        select: global or reranked.
        rerank: candidates that are re-ranked.
        seconds: least time between two validations.
    """

    def __init__(
        self,
        sets: Sequence[ValidationSet],
        folder: Path,
        every: int,
        select: str,
        rerank: int,
        seconds: float = 0.0,
    ) -> None:
        self._sets = sets
        self._folder = folder
        self._every = every
        self._select = select
        self._rerank = rerank
        self._seconds = seconds
        self._measured_at = time.monotonic()
        self._best = -1.0

    @property
    def monitor(self) -> str:
        """The value that the best weights have."""
        return f'recall/{self._select}@1'

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Measure what there is to begin with."""
        if trainer.global_step == 0:
            values = self._measure(trainer, module)
            for logger in trainer.loggers:
                logger.log_metrics({**values, 'epoch': 0}, step=0)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Measure, log, and keep the weights where they are the best so far."""
        last = trainer.current_epoch + 1 == trainer.max_epochs
        last = last or 0 < trainer.max_steps <= trainer.global_step
        due = (trainer.current_epoch + 1) % self._every == 0
        # The clocks of several processes differ; the first one decides.
        waited = trainer.strategy.broadcast(time.monotonic() - self._measured_at >= self._seconds)
        if (due and waited) or last:
            module.log_dict(self._measure(trainer, module))

    def state_dict(self) -> dict[str, Any]:
        """The best recall so far, for a resumed run."""
        return {'best': self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with it."""
        self._best = float(state_dict['best'])

    def _measure(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        assert isinstance(module, FoLTraining)
        values: dict[str, float] = {}
        if trainer.is_global_zero:
            net, side = module.exported_net, module.config.model.input_size
            weights = self._folder / 'last.safetensors'
            save(net, weights, side)
            values = self._recall(weights, module)
            self._keep(net, values, side)
            if module.equal_net is not None:
                equal = self._folder / 'last_equal.safetensors'
                save(module.equal_net, equal, side)
                others = self._recall(equal, module)
                self._keep(module.equal_net, others, side)
                values |= {f'equal/{name}': value for name, value in others.items()}
        self._measured_at = time.monotonic()
        received = trainer.strategy.broadcast(values)
        assert isinstance(received, dict)
        return received

    def _recall(self, weights: Path, module: FoLTraining) -> dict[str, float]:
        side = module.config.model.input_size
        network = NetworkConfig(weights=str(weights), input_size=side, device=str(module.device))
        return measure(network, self._sets, self._rerank)

    def _keep(self, net: FoL, values: dict[str, float], side: int) -> None:
        """Without validation sets nothing is known to be best, least of all the beginning."""
        if values.get(self.monitor, -1.0) > self._best:
            self._best = values[self.monitor]
            save(net, self._folder / 'best.safetensors', side)


def save(net: FoL, path: Path, input_size: int) -> None:
    """Write weights that the product loads."""
    save_weights(net, path, input_size=input_size)


def measure(
    network: NetworkConfig, sets: Sequence[ValidationSet], rerank: int
) -> dict[str, float]:
    """Recall of each set and the mean over them, as shares from 0 to 1."""
    values: dict[str, float] = {}
    for number, each in enumerate(sets):
        evaluation = evaluate(
            network, each.references, each.queries, each.positives, rerank=rerank
        )
        orders = {'global': evaluation.recall_global(), 'reranked': evaluation.recall_reranked()}
        for order, recall in orders.items():
            for k, share in recall.items():
                assert share is not None
                values[f'recall/{number}/{order}@{k}'] = share.value
                mean = f'recall/{order}@{k}'
                values[mean] = values.get(mean, 0.0) + share.value / len(sets)
    return values
