"""What the losses are computed from, and in which precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property, wraps
from typing import Any, Concatenate, ParamSpec

import torch
import torch.nn.functional as F
from torch import Tensor

from fol_vpr.errors import InputError
from fol_vpr.network.model.fol import EncoderOutput
from fol_vpr.network.model.local_head import select_patches

Settings = ParamSpec('Settings')

MIN_ATTENTION = 0.01
EPSILON = 1e-12


@dataclass(frozen=True, eq=False)
class LossInputs:
    """What the network says of a batch of B images of N = h·w patches, and what they show.

    What several losses need of it is computed once and kept together with its graph, so that one
    object serves one backward pass.

    Attributes:
        descriptor: [B, D], global descriptors of unit length.
        labels: [B] int64, equal where two images show one place.
        patches: [B, N, C], patch features of the backbone.
        extraction: [B, N], the extraction mask M_e: attention from the CLS token, summed over
            heads, small values included.
        assignment: [B, K, N], the share of each patch that goes to each of K clusters.
        dense: [B, 4h - 3, 4w - 3, L], local descriptors, not normalised; position (4i, 4j) is the
            centre of patch (i, j).
        grid: h and w.
        photographs: [B] int64, equal where two images are copies of one photograph, or None
            where that is not known.
        frames: [B, 3, 3], perspective maps from an image to its photograph, in shares of their
            sides, or None.
        partners: [B] int64, how many rows further on the image is in which `points` are, another
            photograph of the place; 0 where there is none. None where that is not known.
        points: [B, N, 2], where the patch centres of each image are seen in that one, in shares
            of its sides; outside 0 to 1 where they are not. Or None.
        taught: [B, T], what teachers describe the images by, unit length, or None.
        remembered: [M, D], descriptors of images of earlier batches, without gradient, or None.
        remembered_taught: [M, T], what the teachers describe those by, or None.
    """

    descriptor: Tensor
    labels: Tensor
    patches: Tensor
    extraction: Tensor
    assignment: Tensor
    dense: Tensor
    grid: tuple[int, int]
    photographs: Tensor | None = None
    frames: Tensor | None = None
    partners: Tensor | None = None
    points: Tensor | None = None
    taught: Tensor | None = None
    remembered: Tensor | None = None
    remembered_taught: Tensor | None = None

    def __post_init__(self) -> None:
        batch, (h, w) = len(self.descriptor), self.grid
        expected = {
            'labels': (batch,),
            'patches': (batch, h * w, None),
            'extraction': (batch, h * w),
            'assignment': (batch, None, h * w),
            'dense': (batch, 4 * h - 3, 4 * w - 3, None),
        }
        if self.photographs is not None:
            expected |= {'photographs': (batch,), 'frames': (batch, 3, 3)}
        if self.partners is not None:
            expected |= {'partners': (batch,), 'points': (batch, h * w, 2)}
        if self.taught is not None:
            expected |= {'taught': (batch, None)}
        for name, sizes in expected.items():
            shape = tuple(getattr(getattr(self, name), 'shape', ()))
            fits = len(shape) == len(sizes) and all(
                want in (None, have) for want, have in zip(sizes, shape, strict=True)
            )
            if not fits:
                raise InputError(
                    f'{name} has the shape {list(shape)}, expected {list(sizes)} for {batch} '
                    f'images of {h} x {w} patches (None: any size)'
                )

    @classmethod
    def of(
        cls,
        encoded: EncoderOutput,
        labels: Tensor,
        photographs: Tensor | None = None,
        frames: Tensor | None = None,
        partners: Tensor | None = None,
        points: Tensor | None = None,
    ) -> LossInputs:
        """Of `FoL.encode` and what is known of its images."""
        tokens, aggregated, dense = encoded
        return cls(
            descriptor=aggregated.descriptor,
            labels=labels.to(dense.device),
            patches=tokens.patches,
            extraction=tokens.cls_attention,
            assignment=aggregated.assignment,
            dense=dense,
            grid=tokens.grid,
            photographs=photographs,
            frames=frames,
            partners=partners,
            points=points,
        )

    @cached_property
    def aggregation(self) -> Tensor:
        """[B, N], the aggregation mask M_a: mean of the assignment over clusters."""
        return self.assignment.mean(dim=1)

    @cached_property
    def attention(self) -> Tensor:
        """[B, N], the extraction mask as the aggregation sees it: values under 0.01 are 0."""
        return torch.where(self.extraction >= MIN_ATTENTION, self.extraction, 0)

    @cached_property
    def kept(self) -> Tensor:
        """[B, A] int64, the patches that give local descriptors, in ascending order."""
        with torch.no_grad():
            return select_patches(self.aggregation).sort(dim=1).values

    @cached_property
    def centres(self) -> Tensor:
        """[B, N, L], local descriptors at the centres of all patches, unit length.

        Losses share this one so that the gradient of `dense`, by far the largest of all arrays,
        is written once. It is selected by index: the gradient of a slice is another such array.
        """
        batch, rows, columns, length = self.dense.shape
        index = torch.arange(batch * rows * columns, device=self.dense.device)
        centres = index.view(batch, rows, columns)[:, ::4, ::4].flatten()
        chosen = self.dense.flatten(0, 2).index_select(0, centres)
        return F.normalize(chosen.view(batch, -1, length), dim=-1, eps=EPSILON)

    def zero(self) -> Tensor:
        """A loss of 0 that the inputs receive gradients of 0 from."""
        return 0 * (self.descriptor.mean() + self.centres.mean() + self.aggregation.mean())

    def in_full_precision(self) -> LossInputs:
        """The same in float32, or in float64 where it is that already."""
        values = {spec.name: getattr(self, spec.name) for spec in fields(self)}
        halves = (torch.float16, torch.bfloat16)
        cast = {
            name: value.float()
            for name, value in values.items()
            if isinstance(value, Tensor) and value.dtype in halves
        }
        return LossInputs(**(values | cast)) if cast else self


def full_precision(
    loss: Callable[Concatenate[LossInputs, Settings], Tensor],
) -> Callable[Concatenate[LossInputs, Settings], Tensor]:
    """Compute a loss outside autocast: half precision ties cosines that decide who is nearest."""

    @wraps(loss)
    def computed(inputs: LossInputs, /, *args: Any, **settings: Any) -> Tensor:
        with torch.autocast(inputs.dense.device.type, enabled=False):
            return loss(inputs.in_full_precision(), *args, **settings)

    return computed
