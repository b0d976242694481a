"""Which index a map gets, and why."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from fol_vpr.config import RetrievalConfig
from fol_vpr.datatypes import Place
from fol_vpr.errors import InputError
from fol_vpr.retrieval.index.bytewise import ByteIndex
from fol_vpr.retrieval.index.flat import FlatIndex
from fol_vpr.retrieval.index.gpu import GpuIndex
from fol_vpr.retrieval.index.large import LargeIndex
from fol_vpr.retrieval.index.milvus import MilvusIndex
from fol_vpr.retrieval.index.protocol import DescriptorSource, PlaceIndex, Progress

log = logging.getLogger(__name__)

# Descriptors that the exact search on the CPU reads for every query, in bytes: what takes about as
# long as 20 ms (10,000 references of 8,448 dimensions), and is little memory.
FLAT_BYTES = 384 << 20
# Share of the device's free memory that descriptors may take: the rest is the network's.
DEVICE_SHARE = 0.5


@dataclass(frozen=True)
class IndexChoice:
    """An index by name, and why it."""

    name: str
    reason: str


def choose_index(
    config: RetrievalConfig, references: int, dim: int, device: str, free_bytes: int = 0
) -> IndexChoice:
    """The index that the settings ask for, or the one that fits a map and a machine.

    Args:
        config: `index` and `index_uri`.
        references: of the map.
        dim: length of a descriptor.
        device: where the network runs.
        free_bytes: of the device's memory.

    Raises:
        InputError: Milvus is asked for without a URI.
    """
    if config.index == 'milvus' and not config.index_uri:
        raise InputError(
            'retrieval.index is milvus, but retrieval.index_uri is empty: give http://HOST:19530 '
            'of a cluster, or a file that ends in .db for Milvus Lite'
        )
    if config.index != 'auto':
        return IndexChoice(config.index, 'as set')
    if config.index_uri:
        return IndexChoice('milvus', 'a Milvus URI is set')
    on_device = 2 * references * dim
    if device.startswith('cuda') and on_device <= DEVICE_SHARE * free_bytes:
        return IndexChoice(
            'gpu',
            f'the descriptors take {on_device / 1e6:.0f} of {free_bytes / 1e6:.0f} MB that are '
            f'free on {device}',
        )
    size = 4 * references * dim
    if size <= FLAT_BYTES:
        return IndexChoice('flat', f'comparing all of {size / 1e6:.0f} MB of descriptors is fast')
    where = ' and more than the device has room for' if device.startswith('cuda') else ''
    return IndexChoice(
        'large',
        f'{size / 1e6:.0f} MB of descriptors are over the {FLAT_BYTES / 1e6:.0f} MB up to which '
        f'all are compared{where}',
    )


def index_layouts(
    config: RetrievalConfig, references: int, dim: int, device: str
) -> dict[str, int]:
    """Bytes of main memory of each index that the settings allow, the preferred one first.

    Args:
        config: `index` and `index_uri`.
        references: of the map.
        dim: length of a descriptor.
        device: where the network runs.

    Raises:
        InputError: Milvus is asked for without a URI.
    """
    sizes = {
        'flat': 4 * references * dim,
        'bytes': ByteIndex.memory(references, dim),
        'large': LargeIndex.memory(references, dim),
        'gpu': 0,
        'milvus': 0,
    }
    chosen = choose_index(config, references, dim, device, _free_bytes(device)).name
    names = [chosen, 'large'] if (config.index, chosen) == ('auto', 'flat') else [chosen]
    return {name: sizes[name] for name in names}


def _free_bytes(device: str) -> int:
    return int(torch.cuda.mem_get_info(device)[0]) if device.startswith('cuda') else 0


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
    """The index of a map, by its settings; says which one and why in the log.

    Args:
        config: `index` and `index_uri`.
        source: descriptors of the map.
        places: the references of the source.
        device: where the network runs, as torch calls it.
        content: tells maps apart, and networks: letters, digits and underscores.
        cache: file beside the map for what takes long to compute, None for none.
        progress: called while something is computed that takes long.

    Raises:
        InputError: settings that cannot be followed.
        MapError: the map cannot be read, or the Milvus server does not do what is asked.
        DeviceError: no memory left on the device.
    """
    choice = choose_index(config, len(places), source.dim, device, _free_bytes(device))
    index: PlaceIndex
    if choice.name == 'milvus':
        index = MilvusIndex(config.index_uri, source, places, content=content, progress=progress)
    elif choice.name == 'gpu':
        index = GpuIndex(source, places, device, progress)
    elif choice.name == 'large':
        index = LargeIndex(source, places, content=content, cache=cache, progress=progress)
    elif choice.name == 'bytes':
        index = ByteIndex.read(source, places)
    else:
        index = FlatIndex.read(source, places)
    log.info('search index %s (%s)', index.description, choice.reason)
    return index
