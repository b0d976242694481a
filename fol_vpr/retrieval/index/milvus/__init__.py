"""Search on a Milvus server, which robots share, and which may be slow, frozen or gone."""

from fol_vpr.retrieval.index.milvus.index import LocalIndex, MilvusIndex

__all__ = ['LocalIndex', 'MilvusIndex']
