"""Plans how a map is held in memory, before it is loaded."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from fol_vpr.config import StorageConfig
from fol_vpr.errors import DeviceError

MB = 1e6
# Bytes of a place in Python, with its pose, its name and its file name.
PLACE_BYTES = 1800


@dataclass(frozen=True)
class MemoryPlan:
    """How a map is held in memory. All sizes are in bytes.

    Attributes:
        places: size of the places without their descriptors.
        index: size of the search index.
        index_name: name of the search index.
        local_features: size of the local features as stored; counts only where they are held.
        hold_local_features: whether they are held in memory, rather than read when needed.
        budget: largest size of the map.
        available: memory of the machine that was available.
    """

    places: int
    index: int
    index_name: str
    local_features: int
    hold_local_features: bool
    budget: int
    available: int

    @property
    def total(self) -> int:
        """Bytes that the loaded map takes."""
        return self.places + self.index + (self.local_features if self.hold_local_features else 0)

    @property
    def peak(self) -> int:
        """Bytes while the map is loaded: the index may need its size twice while it is built."""
        return self.total + self.index

    def describe(self) -> str:
        """The plan in words, for a log."""
        held = (
            f'local features {self.local_features / MB:.0f} MB held in memory'
            if self.hold_local_features
            else 'local features read from the file when needed'
        )
        return (
            f'{self.total / MB:.0f} MB of memory (search index {self.index_name} '
            f'{self.index / MB:.0f} MB, places {self.places / MB:.0f} MB, {held}), '
            f'{self.peak / MB:.0f} MB while loading, of {self.budget / MB:.0f} MB granted'
        )


def plan_memory(
    places: int,
    indexes: Mapping[str, int],
    local_bytes: int,
    config: StorageConfig,
    available: int,
) -> MemoryPlan:
    """The fastest layout of a map that fits the budget.

    Args:
        places: number of places.
        indexes: bytes of each eligible search index by its name, the fastest first.
        local_bytes: bytes of all local features as stored.
        config: the budget, and where local features are held.
        available: bytes of memory available now.

    Raises:
        DeviceError: no layout fits; the message has the sizes.
    """
    given = config.memory_budget
    budget = int(given * MB) if given else int(config.memory_share * available)
    choices = {'file': (False,), 'memory': (True,), 'auto': (True, False)}[config.local_features]
    for hold, (name, size) in itertools.product(choices, indexes.items()):
        plan = MemoryPlan(
            places=places * PLACE_BYTES,
            index=size,
            index_name=name,
            local_features=local_bytes,
            hold_local_features=hold,
            budget=budget,
            available=available,
        )
        if plan.total <= budget and plan.peak <= available:
            return plan
    remedies = ['raise storage.memory_budget', 'free memory', 'split or prune the map']
    if choices == (True,):
        remedies.insert(0, 'set storage.local_features to auto or file')
    raise DeviceError(
        f'{places} places do not fit: they would take {plan.describe()}, and '
        f'{available / MB:.0f} MB are available: {", ".join(remedies[:-1])}, or {remedies[-1]}'
    )
