"""Exact exhaustive search on a GPU, in torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from fol_vpr.datatypes import Candidate, Place, Prior
from fol_vpr.errors import DeviceError
from fol_vpr.retrieval.index.protocol import (
    DescriptorSource,
    Progress,
    best_candidates,
    block_rows,
    checked_query,
    checked_rows,
)
from fol_vpr.retrieval.index.references import ReferenceMetadata

# Bound of the error of a cosine in float16. Rounding the query and the product gives 2^-11 each; a
# library may also sum parts of a product in float16.
ROUNDING = 2.0**-9


class GpuIndex:
    """Exact search over all references on a device; see `PlaceIndex`.

    The descriptors are on the device in float16, as the map stores them. Products in float16 find
    all references that can be among the best; their similarities are computed again in float32, so
    that the result is that of float32.

    Args:
        source: where the descriptors are read from, block by block.
        places: the references of the source.
        device: as torch calls it.
        progress: called with references done and in all while descriptors are uploaded.

    Raises:
        DeviceError: the device has not enough memory.
        MapError: a descriptor cannot be read.
    """

    def __init__(
        self,
        source: DescriptorSource,
        places: Sequence[Place],
        device: torch.device | str,
        progress: Progress | None = None,
    ) -> None:
        self._device = torch.device(device)
        self._references = ReferenceMetadata(places)
        self._matrix = self._empty(len(places), source.dim)
        ids, size = self._references.ids, block_rows(source.dim)
        for first in range(0, len(ids), size):
            rows = checked_rows(source.read(ids[first : first + size]), source.dim)
            self._matrix[first : first + len(rows)] = torch.from_numpy(rows).to(self._device)
            if progress is not None:
                progress(first + len(rows), len(ids))

    def _empty(self, rows: int, dim: int) -> torch.Tensor:
        try:
            return torch.empty((rows, dim), dtype=torch.float16, device=self._device)
        except torch.OutOfMemoryError as error:
            raise DeviceError(
                f'{self._device} has no {2e-6 * rows * dim:.0f} MB of free memory for the '
                f'descriptors of {rows} references: set retrieval.index to large'
            ) from error

    problem = ''

    def __len__(self) -> int:
        return len(self._references)

    @property
    def description(self) -> str:
        """See `PlaceIndex.description`."""
        size = 2e-6 * self._matrix.numel()
        return f'gpu: exact search on {self._device}, {len(self)} references, {size:.0f} MB there'

    def add(self, places: Sequence[Place], descriptors: np.ndarray) -> None:
        """See `PlaceIndex.add`."""
        rows = checked_rows(descriptors, self._matrix.shape[1])
        count = len(self)
        self._references.add(places)
        if count + len(rows) > len(self._matrix):
            # Grown by half, so that adding rows one by one copies each row a few times only.
            grown = self._empty(count + max(len(rows), count // 2), self._matrix.shape[1])
            grown[:count] = self._matrix[:count]
            self._matrix = grown
        self._matrix[count : count + len(rows)] = torch.from_numpy(rows).to(self._device)

    def remove(self, ids: Sequence[int]) -> None:
        """See `PlaceIndex.remove`."""
        count = len(self)
        stay = torch.from_numpy(self._references.remove(ids)).to(self._device)
        self._matrix = self._matrix[:count][stay]

    def search(
        self, descriptor: np.ndarray, k: int, prior: Prior | None = None
    ) -> list[Candidate]:
        """See `PlaceIndex.search`."""
        query = torch.from_numpy(checked_query(descriptor, self._matrix.shape[1]))
        query = query.to(self._device)
        allowed = self._references.allowed(prior)
        products = self._matrix[: len(self)] @ query.half()
        rows = None if allowed is None else torch.from_numpy(allowed).to(self._device)
        if rows is not None:
            products = products[rows]
        k = max(0, min(k, len(products)))
        if k == 0:
            return []
        possible = self._possible(products, k)
        found = possible if rows is None else rows[possible]
        # Row by row: a matrix product may round equal rows differently.
        exact = (self._matrix[found].float() * query).sum(dim=1).cpu().numpy()
        return best_candidates(self._references.ids[found.cpu().numpy()], exact, k)

    def _possible(self, products: torch.Tensor, k: int) -> torch.Tensor:
        """Rows that can be among the `k` best, given the rounding error of the products."""
        asked = k
        while True:
            asked = min(2 * asked, len(products))
            values, rows = products.topk(asked)
            values = values.float()
            enough = values >= values[k - 1] - 2 * ROUNDING
            if asked == len(products) or not bool(enough[-1]):
                return rows[enough]

    def close(self) -> None:
        """See `PlaceIndex.close`."""
        self._matrix = self._matrix[:0].clone()
