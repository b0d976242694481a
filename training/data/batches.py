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
from training.data.views import View, seen_at

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
        partners: [B] int64, how many rows further on the image is in which `points` are; 0 where
            there is none. None where that is not asked for.
        points: [B, N, 2] float32, where the centres of the N patches of each image are seen in
            that one, another photograph of the place, in shares of its sides; -1 where it does
            not show them. Or None.
    """

    images: Tensor
    labels: Tensor
    photographs: Tensor
    frames: Tensor
    partners: Tensor | None = None
    points: Tensor | None = None


class Batches(Dataset[Batch]):
    """Indexed by a list of draws, so that a worker makes a whole batch.

    Args:
        data: the places.
        augmentation: changes the images and brings them to the network's size.
        patches: of the network's input in each direction, where it is asked in which other
            photographs they are seen; 0 leaves that out.
    """

    def __init__(self, data: Places, augmentation: Augmentation, patches: int = 0) -> None:
        self._data = data
        self._augmentation = augmentation
        self._patches = patches

    def __getitem__(self, draws: Sequence[Draw]) -> Batch:
        """Read and change the images of a batch.

        Raises:
            InputError: an image or its depth cannot be read; it is named.
        """
        images, frames = zip(*(self._image(draw) for draw in draws), strict=True)
        # Numbers that mean the same in every process.
        photographs = [draw.place * MAX_IMAGES + draw.number for draw in draws]
        return Batch(
            images=torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2),
            labels=torch.tensor([draw.place for draw in draws]),
            photographs=torch.tensor(photographs),
            frames=torch.from_numpy(np.stack(frames)),
            **(self._seen(draws, frames) if self._patches else {}),
        )

    def _seen(self, draws: Sequence[Draw], frames: Sequence[np.ndarray]) -> dict[str, Tensor]:
        """Partners and points: of each image in the next one of its place that can tell."""
        views: dict[tuple[int, int], View | None] = {}
        for draw in draws:
            if draw[:2] not in views:
                views[draw[:2]] = self._data.view(*draw[:2])
        partners = np.zeros(len(draws), np.int64)
        points = np.full((len(draws), self._patches**2, 2), -1, np.float32)
        for row, draw in enumerate(draws):
            others = [
                other for other, found in enumerate(draws)
                if found.place == draw.place and found.number != draw.number
            ]  # fmt: skip
            for other in sorted(others, key=lambda other: (other - row) % len(draws)):
                first, second = views[draw[:2]], views[draws[other][:2]]
                if first is not None and second is not None:
                    partners[row] = other - row
                    pair = (frames[row], frames[other])
                    points[row] = seen_at(first, second, pair, self._patches)
                    break
        return {'partners': torch.from_numpy(partners), 'points': torch.from_numpy(points)}

    def _image(self, draw: Draw) -> tuple[np.ndarray, np.ndarray]:
        image = self._data.load(draw.place, draw.number)
        rng = np.random.default_rng(draw.seed)
        return self._augmentation(image, rng, draw.mirrored, draw.night)


def prepare_worker(_number: int) -> None:
    """One thread for each worker: there are as many workers as are wanted."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
