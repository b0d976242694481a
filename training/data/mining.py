"""Mining of hard negatives: places with similar descriptors come into one batch.

Batch-wise mining sees only what is in the batch. Of 60 places out of thousands hardly two look
alike, so places whose descriptors were close are brought together (as in Global Proxy-based Hard
Mining, Ali-bey et al., BMVC 2022; here it is the descriptors themselves, projected at random,
that are remembered, and no proxy is learned).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_PROJECTED = 256
_CHUNK = 2048


class HardPlaceMiner:
    """Remembers a short descriptor of each place, and groups places whose descriptors are similar.

    Places are grouped by what was known when the epoch began (`begin_epoch`): batches are drawn
    ahead of the steps, by as many as there are workers, and a resumed run draws those of its
    epoch once more. Both would give other batches if what a step taught were used at once.

    Args:
        places: how many there are.
        group: how many confused places come next to each other.
        seed: of the projection.
    """

    def __init__(self, places: int, group: int, seed: int) -> None:
        self._group = group
        self._seed = seed
        self._projection: Tensor | None = None
        self.descriptors = torch.zeros(places, _PROJECTED, dtype=torch.float16)
        self._grouped_by = self.descriptors

    def begin_epoch(self) -> None:
        """Group by what is known now, until this is called again."""
        self._grouped_by = self.descriptors.clone()

    def state_dict(self) -> dict[str, Tensor]:
        """What a resumed run needs."""
        return {'known': self.descriptors, 'grouped_by': self._grouped_by}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on with what was saved, where it is of the same places."""
        if all(each.shape == self.descriptors.shape for each in state.values()):
            self.descriptors, self._grouped_by = state['known'], state['grouped_by']

    def remember(self, labels: Tensor, descriptors: Tensor) -> None:
        """Take note of the descriptors [B, D] of images of the places [B]."""
        descriptors = descriptors.detach().float().cpu()
        labels = labels.cpu()
        if self._projection is None:
            generator = torch.Generator().manual_seed(self._seed)
            size = (descriptors.shape[1], _PROJECTED)
            self._projection = torch.randn(size, generator=generator)
        # Called in the middle of a step, which may compute in bfloat16.
        with torch.autocast('cpu', enabled=False):
            short = descriptors @ self._projection
        places, slots = labels.unique(return_inverse=True)
        sums = torch.zeros(len(places), _PROJECTED).index_add_(0, slots, short)
        self.descriptors[places] = F.normalize(sums, dim=1).half()

    def group_similar(
        self,
        order: np.ndarray,
        rng: np.random.Generator,
        neighbours: Callable[[int], Sequence[int]] = lambda _place: (),
    ) -> np.ndarray:
        """The same places, in groups of those that look alike; groups in random order.

        Args:
            order: [M] places, a place may come more than once.
            rng: draws the order of the groups.
            neighbours: places that may show the same things as one. They look most alike and
                cannot meet in a batch, so that a group has no two of them.
        """
        if self._group < 2 or not self._grouped_by.any():
            return order
        nearest = self._nearest(order, neighbours)
        waiting = dict.fromkeys(range(len(order)))
        groups = []
        for first in range(len(order)):
            if first not in waiting:
                continue
            members: list[int] = []
            blocked: set[int] = set()
            for entry in (first, *nearest[first]):
                place = int(order[entry])
                if len(members) < self._group and entry in waiting and place not in blocked:
                    del waiting[entry]
                    members.append(entry)
                    blocked.update((place, *neighbours(place)))
            groups.append(order[members])
        return np.concatenate([groups[index] for index in rng.permutation(len(groups))])

    def _nearest(
        self, order: np.ndarray, neighbours: Callable[[int], Sequence[int]]
    ) -> list[list[int]]:
        """For each entry of `order`, those of other places that look most like it."""
        vectors = self._grouped_by[torch.from_numpy(order)].float()
        wanted = min(len(order), 4 * self._group)
        entries: dict[int, list[int]] = defaultdict(list)
        for entry, place in enumerate(order.tolist()):
            entries[place].append(entry)
        found: list[list[int]] = []
        for start in range(0, len(order), _CHUNK):
            similarity = vectors[start : start + _CHUNK] @ vectors.T
            for row, place in enumerate(order[start : start + _CHUNK].tolist()):
                near = (place, *neighbours(place))
                similarity[row, [e for other in near for e in entries.get(other, ())]] = -torch.inf
            found += similarity.topk(wanted, dim=1).indices.tolist()
        return found
