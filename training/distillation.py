"""Networks that another one learns from, and what both said of the images of earlier batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fol_vpr.errors import WeightsError
from fol_vpr.network import open_weights, resolve_weights
from fol_vpr.network.model.aggregation import DESCRIPTOR_DIM
from fol_vpr.network.tensors import normalise
from training.losses import LossInputs


class Teachers:
    """Networks that do not train any more, and are no part of checkpoints.

    Args:
        weights: files, or names of weights that `resolve_weights` knows.

    Raises:
        WeightsError: weights are missing, damaged, or random.
    """

    def __init__(self, weights: Sequence[str]) -> None:
        self._networks = []
        for name in weights:
            path = resolve_weights(name)
            if isinstance(path, str):
                raise WeightsError(f'{name} are random, expected teachers that have learned')
            net, info = open_weights(path)
            self._networks.append((net.float().requires_grad_(False), info.input_size))

    @torch.no_grad()
    def describe(self, images: Tensor) -> Tensor:
        """What the teachers describe images by.

        Teachers see the images of the network that learns, enlarged to the size that their own
        weights name.

        Args:
            images: [B, 3, H, W] uint8, RGB.

        Returns:
            [B, T] float32, unit length: the descriptors of all teachers side by side, so that a
            cosine of two images is the mean of the teachers' cosines.
        """
        rows = []
        for net, size in self._networks:
            seen = images.float()
            if size is not None and seen.shape[-2:] != (size, size):
                seen = F.interpolate(seen, size=(size, size), mode='bilinear')
            net.to(images.device)
            described = net.aggregator(net.backbone(normalise(seen)))
            rows.append(described.descriptor.float())
        return torch.cat(rows, dim=1) / math.sqrt(len(rows))


class EarlierImages(nn.Module):
    """The last images of earlier batches, as the network that learns and its teachers saw them.

    They are part of checkpoints, in float16, so that a resumed run is the same run.

    Args:
        size: images, at most.
        teachers: how many there are.
    """

    own: Tensor
    taught: Tensor
    count: Tensor

    def __init__(self, size: int, teachers: int) -> None:
        super().__init__()
        for name, length in (('own', DESCRIPTOR_DIM), ('taught', teachers * DESCRIPTOR_DIM)):
            self.register_buffer(name, torch.zeros(size, length, dtype=torch.float16))
        self.register_buffer('count', torch.zeros((), dtype=torch.int64))

    def add_to(self, inputs: LossInputs) -> LossInputs:
        """The inputs with these images, where there are any yet."""
        known = min(int(self.count), len(self.own))
        if not known:
            return inputs
        return replace(inputs, remembered=self.own[:known], remembered_taught=self.taught[:known])

    @torch.no_grad()
    def keep(self, inputs: LossInputs) -> None:
        """Keep the images of a batch, in the place of the oldest ones."""
        assert inputs.taught is not None
        last = min(len(inputs.taught), len(self.own))
        if not last:
            return
        rows = (self.count + torch.arange(last, device=self.own.device)) % len(self.own)
        self.own[rows] = inputs.descriptor[-last:].to(self.own.dtype)
        self.taught[rows] = inputs.taught[-last:].to(self.taught.dtype)
        self.count += last
