"""`python -m training fit`: learn from places, as a configuration says."""

from __future__ import annotations

import argparse
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import LearningRateMonitor
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from fol_vpr.cli.common.output import add_json, remark, show_results, warn
from fol_vpr.errors import FolVprError, InputError, StorageError
from fol_vpr.network.runtime.precision import choose_precision
from training.checkpoints import WholeFiles, checkpoints
from training.commands.progress import Steps
from training.config import RunConfig, TrainingConfig
from training.data import PlacesData, ValidationSet, open_validation_sets
from training.journal import Journal, MetricsFile
from training.memory import keep_memory
from training.module import FoLTraining
from training.recall import Recall
from training.settings import read_config, write_config

# What Lightning recommends and what is meant otherwise here, by the beginning of its words.
_MEANT = (
    '.*does not have many workers.*',
    '.*sync_dist=True.*',
    '.*all_gather is deprecated.*',
    '.*The number of training batches.*',
    '.*Checkpoint directory .* exists and is not empty.*',
    '.*isinstance\\(treespec, LeafSpec\\).*',
    ".*You're resuming from a checkpoint that ended before the epoch ended.*",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.description = (
        'Learn from places. The folder of the run gets config.yaml, metrics.csv, curves.png, '
        'masks/, TensorBoard events, checkpoints to resume from, and best.safetensors, which '
        'fol_vpr loads.'
    )
    parser.add_argument('--config', metavar='FILE.yaml', required=True)
    parser.add_argument(
        '--set',
        metavar='SETTING=VALUE',
        dest='changes',
        nargs='+',
        action='extend',
        default=[],
        help='change settings of the file, as in optimiser.learning_rate=1e-4',
    )
    add_json(parser, 'the files of the run')
    parser.add_argument(
        '--resume',
        action='store_true',
        help='go on with the last checkpoint in the folder of the run, where there is one',
    )


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code."""
    config = read_config(args.config, args.changes)
    folder = Path(config.run.output)
    checkpoint = _checkpoint(folder, args.resume)
    sets = open_validation_sets(config.validation, config.validation.queries)
    data = PlacesData(
        config.data,
        config.augmentation,
        config.model.input_size,
        config.run.seed,
        config.night,
        config.handheld,
        config.losses.views > 0,
    )
    data.setup('fit')
    _make_folder(folder, config, is_new=checkpoint is None)
    _quieten()
    pl.seed_everything(config.run.seed, verbose=False)
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    torch.set_float32_matmul_precision('high')
    keep_memory()
    module = FoLTraining(config)
    if config.model.standardise and not checkpoint:
        module.standardise_heads_on(data.first_batch())
    _remark(f'learning from {data.places.description if data.places else "nothing"}')
    try:
        trainer = make_trainer(config, folder, sets)
    except (MisconfigurationException, ValueError) as error:
        raise InputError(f'run: {error}') from error
    try:
        trainer.fit(
            module,
            datamodule=data,
            ckpt_path=checkpoint,
            weights_only=True if checkpoint else None,
        )
    except SystemExit:
        # What Lightning makes of Ctrl-C.
        if not trainer.interrupted:
            raise
    except (FolVprError, RuntimeError) as error:
        meant = _meant(error)
        if meant is None or meant is error:
            raise
        raise meant from error
    if trainer.interrupted:
        _warn(f'interrupted; --resume goes on with {folder}')
        return 130
    weights, curves = folder / f'{"best" if sets else "last"}.safetensors', folder / 'curves.png'
    _show_results(
        args,
        lambda: {'run': folder, 'weights': weights, 'curves': curves},
        lambda: f'done: {weights}, {curves}',
    )
    return 0


def _meant(error: BaseException) -> FolVprError | None:
    """What one of our errors said before a worker process or Lightning wrapped it.

    A worker hands its traceback over as the message; what Lightning does to clean up may fail in
    its turn, and hide what was wrong.
    """
    if isinstance(error, FolVprError):
        last = str(error).rstrip().splitlines()[-1:] if 'Traceback' in str(error) else []
        return type(error)(last[0].partition(': ')[2]) if last else error
    return _meant(error.__context__) if error.__context__ is not None else None


def make_trainer(config: TrainingConfig, folder: Path, sets: list[ValidationSet]) -> pl.Trainer:
    """Lightning's trainer, with what this run logs and keeps."""
    recall = Recall(
        sets,
        folder,
        config.validation.every,
        config.validation.select,
        config.validation.rerank,
        60 * config.validation.minutes,
    )
    metrics = MetricsFile(folder)
    devices = max(config.run.devices, 1) * config.run.nodes
    images = config.data.places * config.data.images * devices
    return pl.Trainer(
        accelerator=config.run.accelerator,
        devices=config.run.devices,
        num_nodes=config.run.nodes,
        strategy='auto' if config.run.devices * config.run.nodes == 1 else 'ddp',
        precision=lightning_precision(config.run),
        max_epochs=config.run.epochs,
        max_steps=config.run.max_steps,
        gradient_clip_val=config.optimiser.clip or None,
        log_every_n_steps=config.run.log_every,
        logger=[metrics, TensorBoardLogger(folder, name='', version='tensorboard')],
        callbacks=[
            recall,
            Journal(metrics, _pictures(sets, config.run.pictures)),
            LearningRateMonitor('step'),
            *checkpoints(folder / 'checkpoints', config.run),
            Steps(images),
        ],
        enable_progress_bar=False,
        enable_model_summary=False,
        plugins=[WholeFiles()],
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )


def lightning_precision(run: RunConfig) -> Any:
    """The number format that a run computes in, by its name in Lightning."""
    if run.precision != 'auto':
        return run.precision
    on_gpu = run.accelerator in ('gpu', 'cuda') or (
        run.accelerator == 'auto' and torch.cuda.is_available()
    )
    chosen = choose_precision('auto', torch.device('cuda' if on_gpu else 'cpu'))
    return 'bf16-mixed' if chosen.name == 'bfloat16' else '32-true'


def _pictures(sets: list[ValidationSet], count: int) -> list[np.ndarray]:
    """Queries of the validation sets, evenly taken."""
    items = [item for each in sets for item in each.queries.items]
    chosen = np.linspace(0, len(items) - 1, min(count, len(items)) + 2)[1:-1]
    return [items[int(i)].load() for i in chosen.round()]


def _checkpoint(folder: Path, resume: bool) -> str | None:
    """The checkpoint to go on with.

    Raises:
        InputError: the folder holds another run, and this one is not to go on with it.
    """
    path = folder / 'checkpoints' / 'last.ckpt'
    if not path.is_file():
        return None
    if not resume:
        raise InputError(
            f'{folder} holds a run already: --resume goes on with it, --set run.output=... '
            'begins another one'
        )
    return str(path)


@rank_zero_only
def _make_folder(folder: Path, config: TrainingConfig, *, is_new: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if is_new:
            # Of a run that ended before its first checkpoint.
            (folder / 'metrics.csv').unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f'{folder} cannot be made: {error.strerror}') from error
    write_config(config, folder / 'config.yaml')


def _quieten() -> None:
    for message in _MEANT:
        warnings.filterwarnings('ignore', message)
    logging.getLogger('pytorch_lightning').setLevel(logging.WARNING)


# Of the processes of a run one prints.
_remark = rank_zero_only(remark)
_warn = rank_zero_only(warn)
_show_results = rank_zero_only(show_results)
