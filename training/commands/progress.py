"""How far a run is: steps of all, images per second, loss, time left, and what each epoch gave."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_only

from fol_vpr.cli.common.console import Progress
from fol_vpr.cli.common.output import remark
from fol_vpr.cli.common.terminal import is_quiet

_SHOWN = ('loss/total', 'recall/global@1', 'recall/reranked@1')
# Share of the last step in the rate that is shown, so that one slow step does not decide it.
_SHARE = 0.1


class Steps(pl.Callback):
    """A bar on a terminal, and a line every ten seconds elsewhere; a line for each epoch.

    Args:
        images: in a step, over all devices.
    """

    def __init__(self, images: int) -> None:
        self._images = images
        self._progress = Progress('fit', unit='steps')
        self._last: float | None = None
        self._seconds: float | None = None

    @rank_zero_only
    def on_train_start(self, trainer: pl.Trainer, _module: pl.LightningModule) -> None:
        """Say how long it will be."""
        epochs = '' if trainer.max_epochs in (None, -1) else f'{trainer.max_epochs} epochs of '
        remark(f'{epochs}{trainer.num_training_batches} steps, each of {self._images} images')
        self._progress(trainer.global_step, self._steps(trainer))

    @rank_zero_only
    def on_train_batch_start(self, *_: Any) -> None:
        """Measure the time between two steps, without that of a validation."""
        if self._last is None:
            self._last = time.monotonic()

    @rank_zero_only
    def on_train_batch_end(
        self, trainer: pl.Trainer, _module: pl.LightningModule, *_: Any
    ) -> None:
        """Show the step."""
        now = time.monotonic()
        if self._last is not None:
            taken = now - self._last
            before = taken if self._seconds is None else self._seconds
            self._seconds = (1 - _SHARE) * before + _SHARE * taken
        self._last = now
        self._progress(trainer.global_step, self._steps(trainer), self._note(trainer))

    @rank_zero_only
    def on_train_epoch_end(self, trainer: pl.Trainer, _module: pl.LightningModule) -> None:
        """Say what the epoch gave."""
        self._last = None
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        shown = ', '.join(f'{name} {values[name]:.4g}' for name in _SHOWN if name in values)
        if not is_quiet():
            self._progress.warn(f'epoch {trainer.current_epoch + 1}: {shown}')

    @rank_zero_only
    def on_exception(self, *_: Any) -> None:
        """Leave the line of the bar to what is printed next."""
        self._progress.close()

    @rank_zero_only
    def on_fit_end(self, *_: Any) -> None:
        """End the bar."""
        self._progress.close()

    def _note(self, trainer: pl.Trainer) -> str:
        parts = []
        if self._seconds:
            parts.append(f'{self._images / self._seconds:.1f} images/s')
        loss = trainer.callback_metrics.get('loss/total')
        if loss is not None:
            parts.append(f'loss {float(loss):.4g}')
        return ', '.join(parts)

    @staticmethod
    def _steps(trainer: pl.Trainer) -> int:
        return int(trainer.estimated_stepping_batches)
