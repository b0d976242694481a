"""Checkpoints that are whole, whenever the process or the machine ends."""

from __future__ import annotations

import os
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import ModelCheckpoint

from fol_vpr.errors import StorageError
from training.config import RunConfig


class WholeFiles(TorchCheckpointIO):
    """Writes beside the file that is there, and puts the new one in its place at once.

    Lightning's own way writes to the folder for temporary files and moves the file from there.
    Where that is another file system, the move is a copy, and a process that is killed meanwhile
    leaves half a checkpoint in place of the only whole one.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            StorageError: no space, or no permission; the file that was there is still whole.
        """
        del storage_options
        path = Path(path)
        partial = ''
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, partial = tempfile.mkstemp('.partial', f'.{path.name}.', path.parent)
            with os.fdopen(handle, 'wb') as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except (OSError, RuntimeError) as error:
            # torch says RuntimeError where the disk is full.
            if partial:
                Path(partial).unlink(missing_ok=True)
            raise StorageError(
                f'the checkpoint {path} cannot be written: {error}; make space, then --resume'
            ) from error


def checkpoints(folder: Path, run: RunConfig) -> list[ModelCheckpoint]:
    """What writes last.ckpt: by steps or at the end of each epoch, and by minutes."""
    leftover = folder.glob('.last.ckpt.*.partial')
    for path in leftover:
        path.unlink(missing_ok=True)
    common: dict[str, Any] = {
        'dirpath': folder,
        'filename': 'last',
        'save_top_k': 1,
        'enable_version_counter': False,
    }
    steps = run.checkpoint_every
    kept = [
        ModelCheckpoint(
            every_n_train_steps=steps or None,
            every_n_epochs=None if steps else 1,
            save_on_train_epoch_end=True,
            **common,
        )
    ]
    if run.checkpoint_minutes:
        interval = timedelta(minutes=run.checkpoint_minutes)
        kept.append(ModelCheckpoint(train_time_interval=interval, **common))
    return kept
