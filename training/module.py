"""One step of learning, and what is learned with it: a LightningModule around FoL."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_swa_multi_avg_fn

from fol_vpr.errors import FolVprError, InputError, WeightsError
from fol_vpr.network import FoL, build_fol, load_weights, resolve_weights
from fol_vpr.network.model.vit import ConvolutionalEmbedding
from fol_vpr.network.tensors import normalise
from fol_vpr.network.weights.checkpoint_file import read_checkpoint
from training.config import ModelConfig, OptimiserConfig, TrainingConfig
from training.data import MAX_IMAGES, Batch, PlacesData
from training.distillation import EarlierImages, Teachers
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
        self.equally_averaged = (
            AveragedModel(self.net, multi_avg_fn=get_swa_multi_avg_fn())
            if config.model.equal_average_from
            else None
        )
        distillation = config.distillation
        self.teachers = Teachers(distillation.teachers) if distillation.teachers else None
        self.earlier = (
            EarlierImages(distillation.remembered, len(distillation.teachers))
            if distillation.teachers
            else None
        )
        for average in (self.averaged, self.equally_averaged):
            if average is not None:
                average.requires_grad_(False)

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

    @property
    def equal_net(self) -> FoL | None:
        """The average in equal shares, once it has begun."""
        if self.equally_averaged is None or not self.equally_averaged.n_averaged:
            return None
        found = self.equally_averaged.module
        assert isinstance(found, FoL)
        return found

    def on_train_batch_start(self, *_: Any) -> None:
        """Draw the dropout of a step from its number, so that a resumed run is the same run."""
        torch.manual_seed(hash((self.config.run.seed, self.global_step, self.global_rank)))

    def training_step(self, batch: Batch, _number: int) -> Tensor:
        """Loss of a batch; its parts go to the log."""
        encoded = self.net.encode(normalise(batch.images))
        inputs = LossInputs.of(encoded, *batch[1:])
        if self.teachers is not None:
            inputs = replace(inputs, taught=self.teachers.describe(batch.images))
        inputs = self._gathered(inputs)
        self._check_rows(inputs)
        self._remember(inputs)
        if self.earlier is None:
            total, parts = self.loss(inputs)
        else:
            total, parts = self.loss(self.earlier.add_to(inputs))
            self.earlier.keep(inputs)
        # An exploded run has nothing to give any more, and its checkpoints would be overwritten.
        if not total.isfinite():
            raise FolVprError(
                f'the loss is {float(total)} in step {self.global_step}: lower '
                'optimiser.learning_rate, or set optimiser.clip'
            )
        # Only in the steps that Lightning writes down.
        if (self.global_step + 1) % self.config.run.log_every == 0:
            self.log('batch', float(checksum(batch)))
        self.log('loss/total', total.detach(), prog_bar=True)
        self.log_dict({f'loss/{name}': value.detach() for name, value in parts.items()})
        return total

    def _check_rows(self, inputs: LossInputs) -> None:
        """End the run where the network made something of an image that is no number.

        The miner leaves such a row out of all pairs. The loss is then a number, and its gradients
        are not: everything that the network has learned would be lost with the next step.
        """
        finite = inputs.descriptor.detach().isfinite().all(dim=1)
        if finite.all():
            return
        rows = (~finite).nonzero().flatten().tolist()
        images = [] if inputs.photographs is None else inputs.photographs[rows[:3]].tolist()
        names = ', '.join(map(self._image, images))
        raise FolVprError(
            f'the descriptors of {len(rows)} of {len(finite)} images are no numbers in step '
            f'{self.global_step}, of {names or "unknown images"}: lower '
            'optimiser.learning_rate, or set optimiser.clip'
        )

    def _image(self, photograph: int) -> str:
        """What an image of a batch is called."""
        data = getattr(self.trainer, 'datamodule', None)
        place, number = divmod(photograph, MAX_IMAGES)
        if isinstance(data, PlacesData) and data.places is not None:
            return data.places.images(place)[number]
        return f'image {number} of place {place}'

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
        # Where losses are scaled for float16, an overflow is what the scale is found by.
        if not self._gradient_norm.isfinite() and self.trainer.precision != '16-mixed':
            bad = [
                name
                for name, parameter in self.net.named_parameters()
                if parameter.grad is not None and not parameter.grad.isfinite().all()
            ]
            raise FolVprError(
                f'the gradients of {len(bad)} of {len(gradients)} parameters are no numbers in '
                f'step {self.global_step}, the first {bad[0] if bad else "none alone"}: lower '
                'optimiser.learning_rate; the last checkpoint is from before this step'
            )

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
        """Let the averages, where there are any, take the weights in."""
        if self.averaged is not None:
            self.averaged.update_parameters(self.net)
        begun = self.global_step >= self.config.model.equal_average_from
        if self.equally_averaged is not None and begun:
            self.equally_averaged.update_parameters(self.net)

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
    # Without weights the trunk is random: nothing would be gained by leaving it so.
    choose_trainable_in_trunk(net, config.trainable_trunk_blocks if config.weights else -1)
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = config.dropout
    return net.train()


def choose_trainable_in_trunk(net: FoL, blocks: int) -> None:
    """Let the last `blocks` blocks of the trunk train, and none of its layers before; -1: all.

    A network without a trunk stays as it is.

    Raises:
        InputError: there are fewer blocks.
    """
    embedding = net.backbone.model.patch_embed
    trunk = embedding.trunk if isinstance(embedding, ConvolutionalEmbedding) else None
    if trunk is None:
        return
    depth = len(trunk.blocks)
    if blocks > depth:
        raise InputError(
            f'model.trainable_trunk_blocks is {blocks}, '
            f'the trunk of {net.architecture} has {depth}'
        )
    trunk.requires_grad_(blocks < 0)
    if blocks >= 0:
        trunk.blocks[depth - blocks :].requires_grad_(True)


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
        if config.schedule == 'restarts':
            done = _done_of_cycle(step - config.warmup_steps, config)
            return 1 - (1 - config.final_factor) * (1 - math.cos(math.pi * done)) / 2
        done = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
        falls = {
            'constant': 0.0,
            'linear': min(1.0, done),
            'cosine': (1 - math.cos(math.pi * min(1.0, done))) / 2,
        }
        return 1 - (1 - config.final_factor) * falls[config.schedule]

    return factor


def _done_of_cycle(step: int, config: OptimiserConfig) -> float:
    """Share of its cycle that a step has behind it."""
    length = float(config.cycle_steps)
    while step >= length:
        step, length = step - round(length), length * config.cycle_growth
    return step / length


def checksum(batch: Batch) -> int:
    """A number of six digits for which photographs a batch holds, in which order, how warped.

    In metrics.csv it shows that two runs, or a run and what it was resumed as, learned from the
    same batches.
    """
    content = zlib.crc32(batch.photographs.cpu().numpy().tobytes())
    return zlib.crc32(batch.frames.cpu().numpy().tobytes(), content) % 1_000_000


def _average(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """Exponential moving average that forgets its beginning: early on the decay is less."""

    def average(
        averaged: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int
    ) -> None:
        kept = min(decay, (1 + float(count)) / (10 + float(count)))
        torch._foreach_lerp_(list(averaged), list(current), 1 - kept)

    return average
