"""One step of learning, and what is learned with it: a LightningModule around FoL."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from fol_vpr.errors import FolVprError, InputError, WeightsError
from fol_vpr.network import FoL, build_fol, load_weights, resolve_weights
from fol_vpr.network.tensors import normalise
from fol_vpr.network.weights.checkpoint_file import read_checkpoint
from training.config import ModelConfig, OptimiserConfig, TrainingConfig
from training.data import Batch, PlacesData
from training.losses import FoLLoss, LossInputs
from training.settings import to_plain_values
from training.standardise import standardise_heads

_UNDECAYED = ('cls_token', 'pos_embed', 'mask_token')


class FoLTraining(pl.LightningModule):
    """Learns FoL from batches of places.

    Under DDP every process computes the losses of the whole batch, gathered with gradients, so
    that several processes learn what one with all of the places would.

    Args:
        config: all settings of the run; they go into its checkpoints.

    Raises:
        WeightsError: the weights to begin with are missing or do not fit.
    """

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        self.config = config
        self.net = initial_network(config.model)
        self.loss = FoLLoss(config.losses)
        self.averaged = (
            AveragedModel(self.net, multi_avg_fn=_average(config.model.average))
            if config.model.average
            else None
        )
        if self.averaged is not None:
            self.averaged.requires_grad_(False)

    def standardise_heads_on(self, batch: Batch) -> None:
        """Fit the random weights of the heads to the images of a batch."""
        standardise_heads(self.net, batch.images)
        if self.averaged is not None:
            self.averaged.module.load_state_dict(self.net.state_dict())

    @property
    def exported_net(self) -> FoL:
        """The network that is validated and exported: the averaged one where there is one."""
        found = self.net if self.averaged is None else self.averaged.module
        assert isinstance(found, FoL)
        return found

    def on_train_batch_start(self, *_: Any) -> None:
        """Draw the dropout of a step from its number, so that a resumed run is the same run."""
        torch.manual_seed(hash((self.config.run.seed, self.global_step, self.global_rank)))

    def training_step(self, batch: Batch, _number: int) -> Tensor:
        """Loss of a batch; its parts go to the log."""
        encoded = self.net.encode(normalise(batch.images))
        inputs = self._gathered(LossInputs.of(encoded, *batch[1:]))
        self._remember(inputs)
        total, parts = self.loss(inputs)
        # An exploded run has nothing to give any more, and its checkpoints would be overwritten.
        if not total.isfinite():
            raise FolVprError(
                f'the loss is {float(total)} in step {self.global_step}: lower '
                'optimiser.learning_rate, or set optimiser.clip'
            )
        self.log('loss/total', total.detach(), prog_bar=True)
        self.log_dict({f'loss/{name}': value.detach() for name, value in parts.items()})
        return total

    def _gathered(self, inputs: LossInputs) -> LossInputs:
        """Those of all processes one after the other, in the order of the whole batch.

        Every process then computes the same loss. The gradient of a gathered tensor sums over the
        processes and DDP takes the mean over them, which together is the gradient of one process.
        """
        if self.trainer.world_size == 1:
            return inputs
        values = {spec.name: getattr(inputs, spec.name) for spec in fields(inputs)}
        for name, value in values.items():
            if isinstance(value, Tensor):
                whole = self.all_gather(value, sync_grads=value.is_floating_point())
                assert isinstance(whole, Tensor)
                values[name] = whole.flatten(0, 1)
        return LossInputs(**values)

    def _remember(self, inputs: LossInputs) -> None:
        data = getattr(self.trainer, 'datamodule', None)
        if isinstance(data, PlacesData) and data.miner is not None:
            data.miner.remember(inputs.labels, inputs.descriptor)

    def on_before_optimizer_step(self, _optimizer: torch.optim.Optimizer) -> None:
        """Log the norm of the gradient before it is clipped."""
        gradients = [p.grad for p in self.net.parameters() if p.grad is not None]
        self._gradient_norm = nn.utils.get_total_norm(gradients)
        self.log('gradient norm', self._gradient_norm)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradient by the norm that was logged.

        Lightning computes the norm once more, and refuses to clip for a fused optimiser under
        bf16-mixed, where it takes its gradients to be scaled.
        """
        if self._is_fused and gradient_clip_val:
            nn.utils.clip_grads_with_norm_(
                self.net.parameters(), gradient_clip_val, self._gradient_norm
            )
        else:
            super().configure_gradient_clipping(
                optimizer, gradient_clip_val, gradient_clip_algorithm
            )

    @property
    def _is_fused(self) -> bool:
        """Whether one kernel steps all parameters: on a CPU, where a loop takes longer."""
        return self.device.type == 'cpu'

    def optimizer_step(self, *args: Any, **options: Any) -> None:
        """Learn, and bring the average up to date before a checkpoint is taken of both."""
        super().optimizer_step(*args, **options)
        self.update_average()

    def update_average(self) -> None:
        """Let the average, where there is one, take the weights in."""
        if self.averaged is not None:
            self.averaged.update_parameters(self.net)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW with its schedule, step by step."""
        config = self.config.optimiser
        optimiser = torch.optim.AdamW(
            parameter_groups(self.net, config.weight_decay),
            lr=config.learning_rate,
            betas=(config.betas[0], config.betas[1]),
            fused=self._is_fused or None,
        )
        steps = config.decay_steps or self._steps()
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, learning_rate(config, steps))
        return {
            'optimizer': optimiser,
            'lr_scheduler': {'scheduler': schedule, 'interval': 'step'},
        }

    def _steps(self) -> int:
        """Steps of the whole run."""
        data, run = getattr(self.trainer, 'datamodule', None), self.config.run
        if not isinstance(data, PlacesData):
            return int(self.trainer.estimated_stepping_batches)
        # Lightning would begin to draw batches to count them, before it knows where it resumes.
        steps = run.epochs * data.batches
        return min(steps, run.max_steps) if run.max_steps > 0 else steps

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put the settings into the checkpoint, as plain values."""
        checkpoint['config'] = to_plain_values(self.config)


def initial_network(config: ModelConfig) -> FoL:
    """The network that training begins with, and which of its parameters train.

    Raises:
        WeightsError: the weights are missing, damaged, or of another architecture.
        InputError: more blocks are to train than there are, or two kinds of weights are named.
    """
    if config.weights and config.backbone:
        raise InputError('model.weights and model.backbone are both given, expected one of them')
    net = build_fol(config.architecture)
    if config.weights:
        path = resolve_weights(config.weights)
        if isinstance(path, str):
            raise WeightsError(f'{config.weights} are random; leave model.weights empty for that')
        load_weights(net, path)
    if config.backbone:
        load_backbone(net, config.backbone)
    choose_trainable(net, config.trainable_blocks)
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = config.dropout
    return net.train()


def load_backbone(net: FoL, path: str) -> None:
    """Fill the backbone alone, from a DINOv2 checkpoint as Meta publishes it.

    Raises:
        WeightsError: the file is missing, damaged, or of another network.
    """
    checkpoint = read_checkpoint(path)
    try:
        net.backbone.model.load_state_dict(checkpoint.tensors)
    except RuntimeError as error:
        raise WeightsError(
            f'{path} is no DINOv2 backbone of {net.architecture}: {error}'
        ) from error


def choose_trainable(net: FoL, blocks: int) -> None:
    """Let the last `blocks` transformer blocks train, and all that comes after them; -1: all.

    The token that DINOv2 puts in place of masked patches has no use here and never trains.

    Raises:
        InputError: there are fewer blocks.
    """
    vit = net.backbone.model
    depth = len(vit.blocks)
    if blocks > depth:
        raise InputError(f'model.trainable_blocks is {blocks}, {net.architecture} has {depth}')
    if blocks >= 0:
        vit.requires_grad_(False)
        for part in (*vit.blocks[depth - blocks :], vit.norm):
            part.requires_grad_(True)
    vit.mask_token.requires_grad_(False)


def parameter_groups(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """What trains, in two groups: matrices and convolutions decay, the rest does not."""
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 and not name.endswith(_UNDECAYED)
            groups[decays].append(parameter)
    return [
        {'params': groups[True], 'weight_decay': weight_decay},
        {'params': groups[False], 'weight_decay': 0.0},
    ]


def learning_rate(config: OptimiserConfig, steps: int) -> Callable[[int], float]:
    """Factor of the learning rate in each step, counted from 0."""

    def factor(step: int) -> float:
        if step < config.warmup_steps:
            return (step + 1) / (config.warmup_steps + 1)
        done = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
        falls = {
            'constant': 0.0,
            'linear': min(1.0, done),
            'cosine': (1 - math.cos(math.pi * min(1.0, done))) / 2,
        }
        return 1 - (1 - config.final_factor) * falls[config.schedule]

    return factor


def _average(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """Exponential moving average that forgets its beginning: early on the decay is less."""

    def average(
        averaged: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int
    ) -> None:
        kept = min(decay, (1 + float(count)) / (10 + float(count)))
        torch._foreach_lerp_(list(averaged), list(current), 1 - kept)

    return average
