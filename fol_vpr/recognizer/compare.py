"""An image against references by their local features: those of a map, or of the running drive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from fol_vpr.config import RecognizerConfig
from fol_vpr.database import Codec
from fol_vpr.datatypes import (
    Candidate,
    Features,
    Frame,
    LocalFeatures,
    Place,
    PlaceHypothesis,
    PoseSource,
)
from fol_vpr.recognizer.verify import verified
from fol_vpr.retrieval import Coarse, rerank


class References(Protocol):
    """What holds the references."""

    @property
    def codec(self) -> Codec:
        """How their local features are stored."""
        ...

    def place(self, number: int, /) -> Place:
        """One by its number."""
        ...

    def local_features(self, number: int, /) -> LocalFeatures:
        """Its local features; MapError where they are damaged."""
        ...


class CandidateMatcher:
    """One image against candidates, ordered first and then verified.

    Args:
        frame: the image.
        features: what the network says of it.
        references: that the candidates are among.
        config: how closely they are looked at.
        device: where local features are matched.
    """

    def __init__(
        self,
        frame: Frame,
        features: Features,
        references: References,
        config: RecognizerConfig,
        device: str,
    ) -> None:
        self._frame = frame
        self._features = features
        self._references = references
        self._config = config
        self._device = device
        self._threshold = references.codec.threshold(config.retrieval.match_threshold)
        self._query = references.codec.transform_query(features.local)
        self._matches: dict[int, np.ndarray] = {}

    def rank(self, found: list[Candidate]) -> list[Candidate]:
        """The candidates by local evidence; see `rerank`."""
        codec = self._references.codec
        return rerank(
            self._query,
            found,
            self._references.local_features,
            self._config.retrieval,
            device=self._device,
            threshold=self._threshold,
            coarse=Coarse(codec.coarse_query(self._query), codec.coarse),
            matches=self._matches,
        )

    def verify(self, ranked: Sequence[Candidate], ranks: Iterable[int]) -> list[PlaceHypothesis]:
        """The hypotheses of these ranks, with their geometric verification."""
        codec, query, matches = self._references.codec, self._query, self._matches
        # Where few rows are kept, as few of the query find more partners that stand where they
        # do: mutual matches of all of them fit a geometry less often.
        thinned = codec.subsample(self._features.local)
        if len(thinned.positions) < len(query.positions):
            query, matches = codec.transform_query(thinned), {}
        return [
            verified(
                hypothesis_of(self._references.place(ranked[rank].index), ranked[rank], rank),
                query,
                self._features.image_size,
                self._references.local_features(ranked[rank].index),
                matches.get(ranked[rank].index),
                config=self._config.verification,
                threshold=self._threshold,
                device=self._device,
                camera=self._frame.camera,
            )
            for rank in ranks
        ]


def hypothesis_of(place: Place, candidate: Candidate, rank: int) -> PlaceHypothesis:
    """A candidate with the pose that it implies."""
    return PlaceHypothesis(
        place=place,
        rank=rank,
        similarity=candidate.similarity,
        match_score=candidate.match_score,
        pose_source=PoseSource.NONE if place.pose is None else PoseSource.OF_MAP_IMAGE,
        pose=place.pose,
    )
