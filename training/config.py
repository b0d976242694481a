"""Every setting of a training run, and how a YAML file becomes one.

The sections are frozen dataclasses whose fields carry what users are told about them, as in
`fol_vpr.config`; a run writes all of them, defaults included, to `config.yaml` in its folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fol_vpr.config import Checked, setting
from fol_vpr.errors import InputError
from training.data.config import AugmentationConfig, DataConfig, ValidationConfig
from training.data.images.camera_config import HandheldConfig, NightConfig
from training.losses import LossConfig


@dataclass(frozen=True)
class ModelConfig(Checked):
    """Which network is trained, and how much of it."""

    architecture: str = setting('vits14', 'Architecture, as `fol_vpr.network.build_fol` knows it.')
    weights: str = setting(
        '',
        'Weights to begin with: a file, or a name that `fol_vpr weights list` shows. Empty begins '
        'with random ones.',
    )
    backbone: str = setting(
        '',
        'A file with the weights of a DINOv2 backbone alone, as Meta publishes it, to begin with.',
    )
    input_size: int = setting(
        322, 'Side of the network input in pixels, a multiple of 14.', minimum=126, maximum=2800
    )
    trainable_blocks: int = setting(
        -1,
        'Transformer blocks that train, counted from the last one; -1 trains the whole backbone. '
        'The last normalisation, the aggregation and the local head always train.',
        minimum=-1,
        maximum=1000,
    )
    trainable_trunk_blocks: int = setting(
        0,
        'Blocks of the pretrained convolutions of fol_small that train, counted from the last '
        'one; -1 trains all and the convolution before them. Without model.weights they are '
        'random, and all train.',
        minimum=-1,
        maximum=1000,
    )
    dropout: float = setting(
        0.3,
        'Dropout in the aggregation while training. Released: 0.3; networks that are too small to '
        'learn anything by heart do without.',
        minimum=0,
        maximum=0.9,
    )
    standardise: bool = setting(
        False,
        'With random weights: begin with heads whose outputs have mean 0 and deviation 1 over '
        'the first batch.',
    )
    average: float = setting(
        0.0,
        'Decay of the exponential moving average of the weights, which is then what is validated '
        'and exported; 0 keeps none.',
        minimum=0,
        maximum=0.999999,
    )
    equal_average_from: int = setting(
        0,
        'Step from which on the weights are averaged in equal shares (SWA). This average is '
        'validated beside the moving one, and the better of them becomes best.safetensors; 0 '
        'keeps none.',
        minimum=0,
    )


@dataclass(frozen=True)
class DistillationConfig(Checked):
    """Networks that the one that is trained learns from, with `losses.distillation`."""

    teachers: tuple[str, ...] = setting(
        (),
        'Weights of the teachers: files, or names that `fol_vpr weights list` shows. Of several, '
        'the mean of their similarities is learned from.',
    )
    remembered: int = setting(
        1024,
        'Images of earlier batches that those of a batch are compared with, too. They are part '
        'of checkpoints, in float16.',
        minimum=0,
        maximum=100_000,
    )


@dataclass(frozen=True)
class OptimiserConfig(Checked):
    """AdamW and its schedule."""

    learning_rate: float = setting(6e-5, 'Learning rate of AdamW.', minimum=1e-9, maximum=1)
    weight_decay: float = setting(
        0.01,
        'Weight decay of matrices and convolutions; biases, normalisations, LayerScale, tokens '
        'and positions have none.',
        minimum=0,
        maximum=10,
    )
    betas: tuple[float, ...] = setting((0.9, 0.999), 'Decay rates of the moments of AdamW.')
    warmup_steps: int = setting(
        0, 'Steps in which the learning rate rises from 0.', minimum=0, maximum=10_000_000
    )
    schedule: str = setting(
        'linear',
        'How the learning rate falls after the warm-up. restarts is a cosine that begins anew '
        'after cycle_steps.',
        choices=('linear', 'cosine', 'constant', 'restarts'),
    )
    cycle_steps: int = setting(
        1000, 'Steps of the first cycle of the schedule restarts.', minimum=1, maximum=100_000_000
    )
    cycle_growth: float = setting(
        2.0, 'Length of each cycle as a multiple of the one before.', minimum=1, maximum=10
    )
    decay_steps: int = setting(
        0,
        'Optimiser steps, counted from the first one, after which the learning rate has reached '
        'final_factor; 0 is the whole run.',
        minimum=0,
        maximum=100_000_000,
    )
    final_factor: float = setting(
        0.1, 'Share of the learning rate that is left after decay_steps.', minimum=0, maximum=1
    )
    clip: float = setting(
        0.0, 'Largest norm of the gradient; 0 does not clip.', minimum=0, maximum=1e6
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise InputError(
                f'betas is {list(self.betas)}, expected two numbers from 0 to less than 1'
            )


@dataclass(frozen=True)
class RunConfig(Checked):
    """On what the training runs, and for how long."""

    output: str = setting('runs/fol', 'Folder of the run.')
    epochs: int = setting(8, 'Epochs.', minimum=1, maximum=1_000_000)
    max_steps: int = setting(
        -1,
        'Optimiser steps after which the run ends before its last epoch; -1 sets no limit.',
        minimum=-1,
    )
    seed: int = setting(0, 'Seed of sampling, augmentation and dropout.', minimum=0)
    accelerator: str = setting(
        'auto', 'Device that trains, by its name in Lightning: auto, cpu or gpu.'
    )
    devices: int = setting(1, 'Processes of this machine, one for each GPU.', minimum=1)
    nodes: int = setting(1, 'Machines.', minimum=1)
    precision: str = setting(
        'auto',
        'Number format of the matrix products: bf16-mixed is bfloat16, 32-true float32. Weights, '
        'losses and normalisations are float32 in each. auto is bf16-mixed on a GPU and on a CPU '
        'that multiplies bfloat16 faster, else 32-true.',
        choices=('auto', '32-true', 'bf16-mixed', '16-mixed'),
    )
    threads: int = setting(
        0, 'CPU threads; 0 uses the number that torch chooses.', minimum=0, maximum=1024
    )
    log_every: int = setting(10, 'Steps between lines of metrics.csv.', minimum=1)
    checkpoint_every: int = setting(
        0,
        'Steps between checkpoints to resume from; 0 writes one at the end of each epoch.',
        minimum=0,
    )
    checkpoint_minutes: float = setting(
        0.0, 'Minutes between further checkpoints, within an epoch; 0 writes none.', minimum=0
    )
    pictures: int = setting(4, 'Images whose masks are drawn.', minimum=0, maximum=64)


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that `fit` needs."""

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    night: NightConfig = field(default_factory=NightConfig)
    handheld: HandheldConfig = field(default_factory=HandheldConfig)
    losses: LossConfig = field(default_factory=LossConfig)
    distillation: DistillationConfig = field(default_factory=DistillationConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        weight, teachers = self.losses.distillation, self.distillation.teachers
        if bool(weight) != bool(teachers):
            raise InputError(
                f'losses.distillation is {weight:g} and distillation.teachers '
                f'{list(teachers)}, expected both or neither: a weight above 0, and the weights '
                'of one teacher or more'
            )
