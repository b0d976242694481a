"""Search for references by global descriptor, and re-ranking by local features."""

from fol_vpr.retrieval.cpu_matching import unit_rows
from fol_vpr.retrieval.feature_cache import FeatureCache
from fol_vpr.retrieval.index import FlatIndex, PlaceIndex, index_layouts, open_index
from fol_vpr.retrieval.matching import match_candidates, match_pair, match_scores
from fol_vpr.retrieval.reranking import CoarseFeatures, rerank

__all__ = [
    'CoarseFeatures',
    'FeatureCache',
    'FlatIndex',
    'PlaceIndex',
    'index_layouts',
    'match_candidates',
    'match_pair',
    'match_scores',
    'open_index',
    'rerank',
    'unit_rows',
]
