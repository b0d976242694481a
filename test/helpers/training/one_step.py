"""One step of learning by one or two processes; writes the loss and the gradients of each.

python test/helpers/training/one_step.py FOLDER_OF_PLACES OUTPUT_PREFIX PROCESSES [PRECISION]
"""

from __future__ import annotations

import sys

import pytorch_lightning as pl
import torch

from training.config import DistillationConfig, ModelConfig, RunConfig, TrainingConfig
from training.data import PlacesData
from training.data.config import AugmentationConfig, DataConfig, FoldersSource
from training.losses import LossConfig
from training.module import FoLTraining


class Gradients(pl.Callback):
    """Writes the gradients of the step, before the optimiser changes anything."""

    def __init__(self, output: str) -> None:
        self.output = output

    def on_before_optimizer_step(self, trainer, module, optimizer):
        found = {n: p.grad.clone() for n, p in module.net.named_parameters() if p.grad is not None}
        found['loss'] = trainer.callback_metrics['loss/total'].clone()
        torch.save(found, f'{self.output}{trainer.global_rank}.pt')


def main(arguments: list[str]) -> None:
    folder, output, processes = arguments[:3]
    torch.set_num_threads(1)
    pl.seed_everything(1, verbose=False)
    config = TrainingConfig(
        ModelConfig('fol_tiny', input_size=126),
        losses=LossConfig(views=1.0, distillation=1.0),
        distillation=DistillationConfig(teachers=('fol_tiny',), remembered=4),
        run=RunConfig(seed=1),
    )
    module = FoLTraining(config)
    for layer in module.net.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    data = DataConfig(train=(FoldersSource(folder),), places=4, images=2, batches=1, workers=0)
    trainer = pl.Trainer(
        accelerator='cpu', devices=int(processes), strategy='auto' if processes == '1' else 'ddp',
        precision=arguments[3] if arguments[3:] else '32-true', gradient_clip_val=1.0,
        max_steps=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False, callbacks=[Gradients(output)],
    )  # fmt: skip
    places = PlacesData(data, AugmentationConfig(), 126, 1, views=True)
    trainer.fit(module, datamodule=places)


if __name__ == '__main__':
    main(sys.argv[1:])
