"""The batches of a run, as Lightning asks for them."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from fol_vpr.errors import InputError
from fol_vpr.network.model.architectures import PATCH
from training.data.batches import Batch, Batches, prepare_worker
from training.data.config import AugmentationConfig, DataConfig
from training.data.images.augmentation import Augmentation
from training.data.images.camera_config import HandheldConfig, NightConfig
from training.data.mining import HardPlaceMiner
from training.data.opening import open_places
from training.data.places import Places
from training.data.sampling import PlaceSampler, batches_of_epoch


class PlacesData(pl.LightningDataModule):
    """Opens the sources and draws batches from them.

    Args:
        data: sources and batches.
        augmentation: how images are changed.
        input_size: side of the network's input in pixels.
        seed: of the run.
        night: how an image by day is turned into one at night.
        handheld: what a camera in a hand sees.
        views: whether batches tell where the patches of an image are seen in another photograph.
    """

    def __init__(
        self,
        data: DataConfig,
        augmentation: AugmentationConfig,
        input_size: int,
        seed: int,
        night: NightConfig | None = None,
        handheld: HandheldConfig | None = None,
        views: bool = False,
    ) -> None:
        super().__init__()
        self._config = data
        self._augmentation = augmentation
        self._night, self._handheld = night, handheld
        self._input_size = input_size
        self._patches = input_size // PATCH if views else 0
        self._seed = seed
        self.places: Places | None = None
        self.miner: HardPlaceMiner | None = None

    def setup(self, stage: str) -> None:
        """Open the sources.

        Raises:
            InputError: one of them cannot be used, or none has the depth that is asked for.
        """
        del stage
        if self.places is None:
            config = self._config
            self.places = open_places(config.train, config.cache, config.cache_gib)
            if self._config.confusing > 1:
                size = len(self.places)
                self.miner = HardPlaceMiner(size, self._config.confusing, self._seed)
            if self._patches and not self._has_depth():
                raise InputError(
                    'losses.views is on, and no place of data.train has depth: draw them with '
                    '`python -m training town places --depth`, or set losses.views to 0'
                )

    def _has_depth(self) -> bool:
        """Whether any place has it; of those that have, the first image has it."""
        assert self.places is not None
        return any(self.places.view(place, 0) for place in range(len(self.places)))

    @property
    def batches(self) -> int:
        """Of an epoch."""
        assert self.places is not None
        config = self._config
        return batches_of_epoch(self.places, config.places, config.batches)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of this process; see `PlaceSampler`."""
        assert self.places is not None
        trainer = self.trainer
        config = self._config
        sampler = PlaceSampler(
            self.places,
            config.places,
            config.images,
            twins=config.twins,
            batches=config.batches,
            seed=self._seed,
            mirror=self._augmentation.mirror if self._augmentation.strength else 0.0,
            miner=self.miner,
            day_and_night=config.day_and_night,
            dark=config.dark,
            rank=trainer.global_rank if trainer else 0,
            world=trainer.world_size if trainer else 1,
            done=trainer.global_step if trainer else 0,
        )
        augmentation = Augmentation(
            self._augmentation, self._input_size, self._night, self._handheld
        )
        return DataLoader(
            Batches(self.places, augmentation, self._patches),
            batch_size=None,
            sampler=sampler,
            num_workers=config.workers,
            worker_init_fn=prepare_worker,
            persistent_workers=config.workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def first_batch(self) -> Batch:
        """The whole first batch of the run, made in this process, whichever of several it is."""
        loader = self.train_dataloader()
        draws = next(iter(loader.sampler))
        batch: Batch = loader.dataset[draws]
        return batch

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs: what the network confused."""
        return {} if self.miner is None else {'confusion': self.miner.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with what was saved."""
        if self.miner is not None and 'confusion' in state_dict:
            self.miner.load_state_dict(state_dict['confusion'])
