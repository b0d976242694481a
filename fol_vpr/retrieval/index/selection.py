"""Selects and opens the search index of a map."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fol_vpr.config import RetrievalConfig
from fol_vpr.datatypes import Place
from fol_vpr.errors import InputError
from fol_vpr.retrieval.index.bytewise import ByteIndex
from fol_vpr.retrieval.index.flat import FlatIndex
from fol_vpr.retrieval.index.large import LargeIndex
from fol_vpr.retrieval.index.milvus import MilvusIndex
from fol_vpr.retrieval.index.protocol import DescriptorSource, PlaceIndex, Progress

log = logging.getLogger(__name__)

# Largest size in bytes of float32 descriptors for the exact search on the CPU, which reads all of
# them for every query: about 20 ms (10,000 references of 8,448 dimensions).
MAX_FLAT_BYTES = 384 << 20
# Largest fraction of the device's free memory for descriptors; the rest is for the network.
MAX_DEVICE_FRACTION = 0.5


@dataclass(frozen=True)
class IndexChoice:
    """Name of the selected index, and the reason for the log."""

    name: str
    reason: str


def choose_index(
    config: RetrievalConfig, references: int, dim: int, device: str, free_bytes: int = 0
) -> IndexChoice:
    """Select the configured index, or with `auto` the one that suits the map and the machine.

    Args:
        config: `index` and `index_uri`.
        references: number of references in the map.
        dim: length of a descriptor.
        device: where the network runs, as torch calls it.
        free_bytes: free memory of the device.

    Raises:
        InputError: `index` is milvus and `index_uri` is empty.
    """
    if config.index == 'milvus' and not config.index_uri:
        raise InputError(
            'retrieval.index is milvus, but retrieval.index_uri is empty: set it to '
            'http://HOST:19530 of a cluster, or to a file that ends in .db for Milvus Lite'
        )
    if config.index != 'auto':
        return IndexChoice(config.index, 'as configured')
    if config.index_uri:
        return IndexChoice('milvus', 'a Milvus URI is set')
    on_device = 2 * references * dim
    if device.startswith('cuda') and on_device <= MAX_DEVICE_FRACTION * free_bytes:
        return IndexChoice(
            'gpu',
            f'the descriptors take {on_device / 1e6:.0f} of {free_bytes / 1e6:.0f} MB that are '
            f'free on {device}',
        )
    size = 4 * references * dim
    if size <= MAX_FLAT_BYTES:
        return IndexChoice('flat', f'all {size / 1e6:.0f} MB of descriptors are compared')
    where = ' and do not fit on the device' if device.startswith('cuda') else ''
    return IndexChoice(
        'large',
        f'{size / 1e6:.0f} MB of descriptors exceed the {MAX_FLAT_BYTES / 1e6:.0f} MB up '
        f'to which all are compared{where}',
    )


def index_layouts(
    config: RetrievalConfig, references: int, dim: int, device: str
) -> dict[str, int]:
    """Main memory in bytes of each index that the settings allow, the preferred one first.

    Args:
        config: `index` and `index_uri`.
        references: number of references in the map.
        dim: length of a descriptor.
        device: where the network runs, as torch calls it.

    Raises:
        InputError: `index` is milvus and `index_uri` is empty.
    """
    sizes = {
        'flat': 4 * references * dim,
        'bytes': ByteIndex.memory(references, dim),
        'large': LargeIndex.memory(references, dim),
        'gpu': 0,
        'milvus': _local_memory(references, dim),
    }
    chosen = choose_index(config, references, dim, device, _free_bytes(device)).name
    names = [chosen, 'large'] if (config.index, chosen) == ('auto', 'flat') else [chosen]
    return {name: sizes[name] for name in names}


def _local_memory(references: int, dim: int) -> int:
    """Memory of the index that is searched while a Milvus server does not answer."""
    kind = ByteIndex if 4 * references * dim <= MAX_FLAT_BYTES else LargeIndex
    return kind.memory(references, dim)


def _local_index(
    source: DescriptorSource, places: Sequence[Place], content: str, cache: Path | None
) -> PlaceIndex | None:
    """The index for while a Milvus server does not answer; None where building one takes long."""
    if cache is not None and cache.exists():
        found = LargeIndex.cached(source, places, content=content, cache=cache)
        if found is not None:
            return found
    if places and 4 * len(places) * source.dim <= MAX_FLAT_BYTES:
        return ByteIndex.read(source, places)
    return None


def _free_bytes(device: str) -> int:
    if not device.startswith('cuda'):
        return 0
    import torch

    return int(torch.cuda.mem_get_info(device)[0])


def open_index(
    config: RetrievalConfig,
    source: DescriptorSource,
    places: Sequence[Place],
    *,
    device: str = 'cpu',
    content: str = '',
    cache: Path | None = None,
    progress: Progress | None = None,
) -> PlaceIndex:
    """Open the index of a map that the settings select, and log which one and why.

    Args:
        config: `index`, `index_uri`, `index_timeout` and `index_load_timeout`.
        source: descriptors of the map.
        places: the references of the source.
        device: where the network runs, as torch calls it.
        content: identifies map and network; letters, digits and underscores.
        cache: file beside the map for what takes long to compute; None for no cache.
        progress: called with references done and in all while the index is built.

    Raises:
        InputError: the settings cannot be used here.
        MapError: the map cannot be read, or the Milvus server cannot serve it.
        DeviceError: the device has not enough memory.
    """
    choice = choose_index(config, len(places), source.dim, device, _free_bytes(device))
    index: PlaceIndex
    if choice.name == 'milvus':
        index = MilvusIndex(
            config.index_uri,
            source,
            places,
            content=content,
            progress=progress,
            timeout=config.index_timeout,
            load_timeout=config.index_load_timeout,
            local=lambda left: _local_index(source, left, content, cache),
        )
    elif choice.name == 'gpu':
        from fol_vpr.retrieval.index.gpu import GpuIndex

        index = GpuIndex(source, places, device, progress)
    elif choice.name == 'large':
        index = LargeIndex(source, places, content=content, cache=cache, progress=progress)
    elif choice.name == 'bytes':
        index = ByteIndex.read(source, places)
    else:
        index = FlatIndex.read(source, places)
    log.info('search index %s (%s)', index.description, choice.reason)
    return index
