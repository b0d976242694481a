"""An image against references by their local features: those of a map, or of the running drive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from fol_vpr.config import RecognizerConfig, VerificationConfig
from fol_vpr.database import Codec
from fol_vpr.datatypes import (
    Camera,
    Candidate,
    Features,
    Frame,
    LocalFeatures,
    Place,
    PlaceHypothesis,
    PoseSource,
    Verification,
)
from fol_vpr.geometry import matching_camera, verify_pair
from fol_vpr.retrieval import CoarseFeatures, match_pair, rerank, unit_rows


class ReferenceStore(Protocol):
    """Holds references: a loaded map, or the recorded session of the running drive."""

    @property
    def codec(self) -> Codec:
        """How their local features are stored."""
        ...

    def place(self, number: int, /) -> Place:
        """A reference by its number."""
        ...

    def local_features(self, number: int, /) -> LocalFeatures:
        """Local features of a reference.

        Raises:
            MapError: they are damaged.
        """
        ...


class CandidateMatcher:
    """Matches the local features of one image with those of candidates: `rank`, then `verify`.

    Args:
        frame: the image.
        features: of the image, as the network extracts them.
        references: that the candidates are from.
        config: settings of re-ranking and of the geometric verification.
        device: where local features are matched.
    """

    def __init__(
        self,
        frame: Frame,
        features: Features,
        references: ReferenceStore,
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

    def rank(self, candidates: list[Candidate]) -> list[Candidate]:
        """The candidates reordered by local matching; see `rerank`."""
        codec = self._references.codec
        return rerank(
            self._query,
            candidates,
            self._references.local_features,
            self._config.retrieval,
            device=self._device,
            threshold=self._threshold,
            coarse=CoarseFeatures(codec.coarse_query(self._query), codec.coarse),
            matches=self._matches,
        )

    def verify(self, ranked: Sequence[Candidate], ranks: Iterable[int]) -> list[PlaceHypothesis]:
        """Hypotheses with their geometric verification.

        Args:
            ranked: candidates, as `rank` returns them.
            ranks: of the candidates to verify, from 0.

        Returns:
            A hypothesis for each of `ranks`.
        """
        codec, query, matches = self._references.codec, self._query, self._matches
        # A codec that keeps few local features of a reference takes as few of the query: mutual
        # matches of all of them fit a geometry less often.
        thinned = codec.subsample(self._features.local)
        if len(thinned.positions) < len(query.positions):
            query, matches = codec.transform_query(thinned), {}
        return [
            verify_hypothesis(
                make_hypothesis(self._references.place(ranked[rank].index), ranked[rank], rank),
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


def make_hypothesis(place: Place, candidate: Candidate, rank: int) -> PlaceHypothesis:
    """The hypothesis that an image shows a candidate, whose pose is that of the reference."""
    return PlaceHypothesis(
        place=place,
        rank=rank,
        similarity=candidate.similarity,
        match_score=candidate.match_score,
        pose_source=PoseSource.NONE if place.pose is None else PoseSource.OF_MAP_IMAGE,
        pose=place.pose,
    )


def verify_hypothesis(
    hypothesis: PlaceHypothesis,
    query: LocalFeatures,
    size: tuple[int, int],
    reference: LocalFeatures,
    pairs: np.ndarray | None,
    *,
    config: VerificationConfig,
    threshold: float,
    device: str,
    camera: Camera | None = None,
) -> PlaceHypothesis:
    """A hypothesis with its geometric verification.

    Args:
        hypothesis: of `make_hypothesis`.
        query: local features of the image, transformed by the codec of the reference.
        size: width and height of the query in pixels.
        reference: local features of the hypothesis' place.
        pairs: [K, 2] rows of matches in `query` and `reference`; None matches them here.
        config: limits of the geometric verification.
        threshold: least cosine of a match, adjusted by the codec.
        device: where features are matched.
        camera: of the query, where it is known.
    """
    if pairs is None:
        pairs = match_pair(query.descriptors, reference.descriptors, threshold, device=device)
    query_xy = query.positions[pairs[:, 0]]
    reference_xy = reference.positions[pairs[:, 1]]
    ours, theirs = query.descriptors[pairs[:, 0]], reference.descriptors[pairs[:, 1]]
    place = hypothesis.place
    geometry = verify_pair(
        query_xy,
        reference_xy,
        size,
        place.image_size,
        config,
        query_camera=matching_camera(camera, size),
        reference_camera=matching_camera(place.camera, place.image_size),
        cosines=np.einsum('kc,kc->k', unit_rows(ours), unit_rows(theirs)),
    )
    passed = Verification.LOCAL if geometry.matches else Verification.NONE
    return replace(
        hypothesis,
        inliers=geometry.inliers,
        regions=geometry.regions,
        verification=Verification.GEOMETRY if geometry.verified else passed,
        query_xy=query_xy,
        reference_xy=reference_xy,
    )
