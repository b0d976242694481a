"""Settings for small maps of eight places, with an untrained network."""

from fol_vpr.config import NetworkConfig, RecognizerConfig, RetrievalConfig, VerificationConfig

PLACES = 8
CONFIG = RecognizerConfig(
    network=NetworkConfig(weights='untrained-vits14', input_size=126),
    retrieval=RetrievalConfig(candidates=6, rerank=3, hypotheses=5),
    verification=VerificationConfig(place_index_gap=0),
)
