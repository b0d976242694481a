"""An image against references by their local features: those of a map, or of the running drive."""

from __future__ import annotations

from collections.abc import Sequence
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
from fol_vpr.geometry import MatchedPair, PairGeometry, matching_camera, verify_pairs
from fol_vpr.retrieval import CoarseFeatures, match_candidates, rerank, unit_rows


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

    def verify(self, ranked: Sequence[Candidate], ranks: Sequence[int]) -> list[PlaceHypothesis]:
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
        found = [ranked[rank] for rank in ranks]
        hypotheses = [
            make_hypothesis(self._references.place(candidate.index), candidate, rank)
            for rank, candidate in zip(ranks, found, strict=True)
        ]
        references = [self._references.local_features(candidate.index) for candidate in found]
        return verify_hypotheses(
            hypotheses,
            query,
            self._features.image_size,
            references,
            self._matched(query, references, [matches.get(each.index) for each in found]),
            config=self._config.verification,
            camera=self._frame.camera,
        )

    def _matched(
        self,
        query: LocalFeatures,
        references: Sequence[LocalFeatures],
        known: Sequence[np.ndarray | None],
    ) -> list[np.ndarray]:
        """Matches [K, 2] with each reference: those that are known, the others from one call."""
        missing = [
            reference.descriptors
            for reference, pairs in zip(references, known, strict=True)
            if pairs is None
        ]
        found = iter(
            match_candidates(query.descriptors, missing, self._threshold, device=self._device)
        )
        return [next(found) if pairs is None else pairs for pairs in known]


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


def verify_hypotheses(
    hypotheses: Sequence[PlaceHypothesis],
    query: LocalFeatures,
    size: tuple[int, int],
    references: Sequence[LocalFeatures],
    matches: Sequence[np.ndarray],
    *,
    config: VerificationConfig,
    camera: Camera | None = None,
) -> list[PlaceHypothesis]:
    """Hypotheses of one image with their geometric verification.

    Args:
        hypotheses: of `make_hypothesis`.
        query: local features of the image, transformed by the codec of the references.
        size: width and height of the query in pixels.
        references: local features of the hypotheses' places.
        matches: [K, 2] rows of matches in `query` and in each of `references`.
        config: limits of the geometric verification.
        camera: of the query, where it is known.
    """
    pairs = []
    for hypothesis, reference, rows in zip(hypotheses, references, matches, strict=True):
        place = hypothesis.place
        ours, theirs = query.descriptors[rows[:, 0]], reference.descriptors[rows[:, 1]]
        pairs.append(
            MatchedPair(
                query.positions[rows[:, 0]],
                reference.positions[rows[:, 1]],
                size,
                place.image_size,
                matching_camera(camera, size),
                matching_camera(place.camera, place.image_size),
                np.einsum('kc,kc->k', unit_rows(ours), unit_rows(theirs)),
            )
        )
    geometries = verify_pairs(pairs, config)
    return [
        replace(
            hypothesis,
            inliers=geometry.inliers,
            regions=geometry.regions,
            size_ratio=geometry.size_ratio,
            verification=_passed(geometry),
            query_xy=pair.query_xy,
            reference_xy=pair.reference_xy,
            inlier=geometry.inlier,
        )
        for hypothesis, pair, geometry in zip(hypotheses, pairs, geometries, strict=True)
    ]


def _passed(geometry: PairGeometry) -> Verification:
    if geometry.verified:
        return Verification.GEOMETRY
    return Verification.LOCAL if geometry.matches else Verification.NONE
