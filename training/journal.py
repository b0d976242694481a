"""What a run leaves for people to look at: metrics.csv, curves.png, masks/epoch_NNN.png."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytorch_lightning as pl
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from fol_vpr.evaluation.pictures import save_figure
from fol_vpr.files import atomic_text
from fol_vpr.network.tensors import to_input
from fol_vpr.pictures.explanation import mask_panel
from fol_vpr.pictures.images import below, beside, with_margin, write_picture
from fol_vpr.pictures.text import Text, text_block
from training.module import FoLTraining

COLUMNS = ('step', 'name', 'value')
_SMOOTHED = 50
# Of an image of a sheet, in pixels, so that the scales below can be read.
_SIDE = 320
_GAP = 14
_TITLES = ('Image', 'Extraction mask M_e', 'Aggregation mask M_a')
_NORM = 'gradient norm'

Curve = tuple[list[float], list[float]]


class MetricsFile(Logger):
    """Appends every value to metrics.csv, a line each: step,name,value.

    A resumed run goes on with the file: what came after the step that it resumes from, and is
    computed again, is taken out.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / 'metrics.csv'

    @property
    def name(self) -> str:
        """See Lightning's Logger."""
        return 'metrics'

    @property
    def version(self) -> str:
        """See Lightning's Logger."""
        return ''

    @rank_zero_only
    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Settings are in config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append values."""
        is_new = not self.path.exists()
        with open(self.path, 'a', newline='', encoding='utf-8') as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(COLUMNS)
            writer.writerows([step, name, f'{value:.7g}'] for name, value in metrics.items())

    @rank_zero_only
    def forget_from(self, step: int) -> None:
        """Take out what was logged of this step, counted from 0, and of later ones."""
        rows = [row for row in read_metrics(self.path) if int(row['step']) < step]
        with atomic_text(self.path) as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)


def read_metrics(path: Path) -> list[dict[str, str]]:
    """Lines of metrics.csv; none where there is no file yet."""
    if not path.exists():
        return []
    with open(path, newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


class Journal(pl.Callback):
    """Draws the curves and the masks of a few images after every epoch.

    Args:
        metrics: where the values are.
        images: RGB images [H, W, 3] uint8 whose masks are drawn.
    """

    def __init__(self, metrics: MetricsFile, images: Sequence[np.ndarray]) -> None:
        self._metrics = metrics
        self._images = images

    @rank_zero_only
    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Draw the masks to begin with; forget what a resumed run computes again."""
        if trainer.global_step:
            self._metrics.forget_from(trainer.global_step)
        else:
            self._draw_masks(trainer, module, 0)

    @rank_zero_only
    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Draw the masks of the epoch."""
        self._draw_masks(trainer, module, trainer.current_epoch + 1)

    @rank_zero_only
    def on_train_epoch_start(self, _trainer: pl.Trainer, _module: pl.LightningModule) -> None:
        """Draw the curves, with what the end of the last epoch logged."""
        self._draw_curves()

    @rank_zero_only
    def on_train_end(self, _trainer: pl.Trainer, _module: pl.LightningModule) -> None:
        """Draw the whole curves."""
        self._draw_curves()

    def _draw_curves(self) -> None:
        draw_curves(self._metrics.path, self._metrics.path.with_name('curves.png'))

    def _draw_masks(self, trainer: pl.Trainer, module: pl.LightningModule, epoch: int) -> None:
        if not self._images:
            return
        assert isinstance(module, FoLTraining)
        sheet = mask_sheet(module, self._images)
        path = self._metrics.path.parent / 'masks' / f'epoch_{epoch:03d}.png'
        path.parent.mkdir(exist_ok=True)
        write_picture(path, sheet)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image('masks', sheet, trainer.global_step, dataformats='HWC')


def mask_sheet(module: FoLTraining, images: Sequence[np.ndarray]) -> np.ndarray:
    """Each image, its extraction mask M_e and its aggregation mask M_a, one row for each image.

    Below each mask is a scale of its colours, with its lowest and its highest value: a mask that
    hardly differs between patches looks as lively as any other.

    Args:
        module: the network as it is now.
        images: [H, W, 3] uint8, RGB.

    Returns:
        [H, W, 3] uint8, RGB.
    """
    side = module.config.model.input_size
    net, was_training = module.exported_net, module.exported_net.training
    inputs = torch.stack([to_input(image, (side, side), module.device) for image in images])
    net.eval()
    with torch.inference_mode():
        encoded = net.encode(inputs)
    net.train(was_training)
    masks = (encoded.tokens.cls_attention, encoded.aggregated.assignment.mean(dim=1))
    head = [text_block(_SIDE, [Text(title, 20, bold=True)]) for title in _TITLES]
    rows = [beside(head, _GAP)]
    for index, image in enumerate(images):
        small = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        values = [mask[index].view(encoded.tokens.grid).float().cpu().numpy() for mask in masks]
        panels = [mask_panel(small, each, '', _SIDE) for each in values]
        rows.append(beside([small, *panels], _GAP))
    return with_margin(below(rows, _GAP), _GAP)


def draw_curves(metrics: Path, picture: Path) -> None:
    """Losses and learning rate by step, and recall, as one picture."""
    curves: dict[str, Curve] = defaultdict(lambda: ([], []))
    for row in read_metrics(metrics):
        steps, values = curves[row['name']]
        steps.append(float(row['step']))
        values.append(float(row['value']))
    losses = {
        name.removeprefix('loss/').removesuffix('_weighted'): curve
        for name, curve in curves.items()
        if name == 'loss/total' or (name.startswith('loss/') and name.endswith('_weighted'))
    }
    rates = {name: curves[name] for name in curves if name == _NORM or name.startswith('lr-')}
    recalls = {
        name.removeprefix('recall/'): curve
        for name, curve in curves.items()
        if name.startswith('recall/') and name.count('/') == 1
    }
    figure = Figure(figsize=(13, 4.5), layout='constrained')
    FigureCanvasAgg(figure)
    left, middle, right = figure.subplots(1, 3)
    _plot(left, 'losses, weighted', losses, log=True)
    _plot(middle, 'gradient and rate', rates, log=True)
    _plot(right, 'recall on validation', recalls)
    right.set_ylim(0, 1)
    save_figure(figure, picture)


def _plot(axis: Any, title: str, curves: dict[str, Curve], *, log: bool = False) -> None:
    for name, (steps, values) in curves.items():
        window = max(1, len(values) // _SMOOTHED)
        kernel = np.ones(window) / window
        smooth = np.convolve(values, kernel, mode='valid')
        marker = '.' if len(smooth) < _SMOOTHED else ''
        axis.plot(steps[window - 1 :], smooth, label=name, linewidth=1.2, marker=marker)
    axis.set_title(title, fontsize=10)
    axis.set_xlabel('step')
    if log and curves:
        axis.set_yscale('log')
    if curves:
        axis.legend(fontsize=7)
    axis.grid(alpha=0.3)
