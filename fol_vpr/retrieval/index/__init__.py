"""Indexes of references by their global descriptors, from a corridor to a city."""

from fol_vpr.retrieval.index.bytewise import ByteIndex
from fol_vpr.retrieval.index.choose import Choice, choose_index, index_layouts, open_index
from fol_vpr.retrieval.index.flat import FlatIndex
from fol_vpr.retrieval.index.gpu import GpuIndex
from fol_vpr.retrieval.index.large import LargeIndex
from fol_vpr.retrieval.index.milvus import MilvusIndex
from fol_vpr.retrieval.index.protocol import ArraySource, DescriptorSource, PlaceIndex, Progress

__all__ = [
    'ArraySource',
    'ByteIndex',
    'Choice',
    'DescriptorSource',
    'FlatIndex',
    'GpuIndex',
    'LargeIndex',
    'MilvusIndex',
    'PlaceIndex',
    'Progress',
    'choose_index',
    'index_layouts',
    'open_index',
]
