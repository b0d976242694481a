"""Search indexes over the global descriptors of references.

Importing them does not load torch, which only `gpu.py` needs.
"""

from fol_vpr.retrieval.index.bytewise import ByteIndex
from fol_vpr.retrieval.index.flat import FlatIndex
from fol_vpr.retrieval.index.large import LargeIndex
from fol_vpr.retrieval.index.milvus import MilvusIndex
from fol_vpr.retrieval.index.protocol import ArraySource, DescriptorSource, PlaceIndex, Progress
from fol_vpr.retrieval.index.selection import IndexChoice, choose_index, index_layouts, open_index

__all__ = [
    'ArraySource',
    'ByteIndex',
    'DescriptorSource',
    'FlatIndex',
    'IndexChoice',
    'LargeIndex',
    'MilvusIndex',
    'PlaceIndex',
    'Progress',
    'choose_index',
    'index_layouts',
    'open_index',
]
