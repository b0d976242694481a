"""Draws to tensors: what runs in the worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from training.data.images.augmentation import Augmentation
from training.data.places import Places
from training.data.sampling import Draw

MAX_IMAGES = 1 << 32
"""More than any place has."""


class Batch(NamedTuple):
    """Some images of some places.

    Attributes:
        images: [B, 3, H, W] uint8, RGB.
        labels: [B] int64, number of the place that each image shows.
        photographs: [B] int64, equal where two are copies of one photograph.
        frames: [B, 3, 3] float32, perspective maps from each image to its photograph, in shares
            of their sides.
    """

    images: Tensor
    labels: Tensor
    photographs: Tensor
    frames: Tensor


class Batches(Dataset[Batch]):
    """Indexed by a list of draws, so that a worker makes a whole batch.

    Args:
        data: the places.
        augmentation: changes the images and brings them to the network's size.
    """

    def __init__(self, data: Places, augmentation: Augmentation) -> None:
        self._data = data
        self._augmentation = augmentation

    def __getitem__(self, draws: Sequence[Draw]) -> Batch:
        """Read and change the images of a batch.

        Raises:
            InputError: an image cannot be read; it is named.
        """
        images, frames = zip(*(self._image(draw) for draw in draws), strict=True)
        # Numbers that mean the same in every process.
        photographs = [draw.place * MAX_IMAGES + draw.number for draw in draws]
        return Batch(
            images=torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2),
            labels=torch.tensor([draw.place for draw in draws]),
            photographs=torch.tensor(photographs),
            frames=torch.from_numpy(np.stack(frames)),
        )

    def _image(self, draw: Draw) -> tuple[np.ndarray, np.ndarray]:
        image = self._data.load(draw.place, draw.number)
        rng = np.random.default_rng(draw.seed)
        return self._augmentation(image, rng, draw.mirrored, draw.night)


def prepare_worker(_number: int) -> None:
    """One thread for each worker: there are as many workers as are wanted."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
