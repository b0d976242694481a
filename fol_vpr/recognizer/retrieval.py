"""One image searched in a map: retrieval, re-ranking, geometric verification."""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

from fol_vpr.config import RecognizerConfig
from fol_vpr.datatypes import Candidate, Features, Frame, Place, PlaceHypothesis, Prior
from fol_vpr.decision import ImageQuality, Locations, Observation, assess_image
from fol_vpr.mapping import CandidateMatcher, LiveMap, make_hypothesis


class RetrievalResult(NamedTuple):
    """The candidates of one image as hypotheses, before anything is decided.

    Attributes:
        hypotheses: one for each of the leading candidates, in the order after re-ranking; the
            first ones carry their geometric verification.
        observation: the input of the decision.
        quality: of the image.
    """

    hypotheses: list[PlaceHypothesis]
    observation: Observation
    quality: ImageQuality


class MapQuery:
    """The steps of one image through a map: `retrieve`, `rerank`, `verify`, in this order.

    Args:
        frame: the image.
        features: of the image, as the network extracts them.
        loaded: the map.
        config: how many candidates each step takes, and its limits.
        device: where local features are matched.
    """

    def __init__(
        self,
        frame: Frame,
        features: Features,
        loaded: LiveMap,
        config: RecognizerConfig,
        device: str,
    ) -> None:
        self._frame = frame
        self._features = features
        self._loaded = loaded
        self._config = config
        self._device = device

    @cached_property
    def _matcher(self) -> CandidateMatcher:
        return CandidateMatcher(
            self._frame, self._features, self._loaded, self._config, self._device
        )

    def retrieve(
        self, prior: Prior | None = None, exclude: frozenset[int] = frozenset()
    ) -> list[Candidate]:
        """The references of largest global similarity, best first.

        Args:
            prior: what is known of the place; only references that it allows are searched.
            exclude: references, by `Place.index`, that are left out as if the map had none.
        """
        count = self._config.retrieval.candidates
        found = self._loaded.search(self._features, count + len(exclude), prior)
        return [each for each in found if each.index not in exclude][:count]

    def rerank(self, candidates: list[Candidate]) -> list[Candidate]:
        """The candidates in the order of their local matches.

        Raises:
            MapError: the map cannot be read any more.
            DeviceError: the device ran out of memory.
        """
        return self._matcher.rank(candidates)

    def verify(
        self, candidates: list[Candidate], ranked: list[Candidate], count: int = 0
    ) -> RetrievalResult:
        """Verify the leading candidates geometrically, and assess the image.

        Args:
            candidates: in the order of `retrieve`.
            ranked: the same in the order of `rerank`.
            count: fewest hypotheses that are asked for; those that were re-ranked or verified are
                among them in any case.

        Raises:
            MapError: the map cannot be read any more.
            DeviceError: the device ran out of memory.
        """
        places = [self._loaded.place(candidate.index) for candidate in ranked]
        ranks = ranks_to_verify(places, self._config)
        verified = {each.rank: each for each in self._matcher.verify(ranked, ranks)}
        last = max([count - 1, *ranks])
        hypotheses = [
            verified.get(rank) or make_hypothesis(place, candidate, rank)
            for rank, (place, candidate) in enumerate(zip(places, ranked, strict=True))
            if rank <= last or not math.isnan(candidate.match_score)
        ]
        quality = assess_image(self._frame.image)
        observation = Observation(
            stamp_ns=self._frame.stamp_ns,
            candidates=candidates,
            places=[self._loaded.place(candidate.index) for candidate in candidates],
            hypotheses=[h for h in hypotheses if h.rank in verified or _is_reranked(h)],
            descriptor=self._features.global_descriptor,
            odometry=self._frame.odometry,
            quality=quality.score,
            quality_reason=quality.reason,
        )
        return RetrievalResult(hypotheses, observation, quality)


def ranks_to_verify(places: list[Place], config: RecognizerConfig) -> list[int]:
    """Ranks of the candidates to verify, ascending.

    These are the best one, then the best one of another place, which is its rival, then the next
    ones, `verification.verify` of them together.

    Args:
        places: of the candidates, in the order after re-ranking.
        config: `retrieval.rerank`, `verification.verify` and the extent of a place.
    """
    verification = config.verification
    reach = range(1, min(len(places), max(config.retrieval.rerank, verification.verify)))
    if not places:
        return []
    same = Locations(places[: reach.stop]).same(places[0], verification)
    rival = [rank for rank in reach if not same[rank]][:1]
    order = dict.fromkeys([0, *rival, *reach])
    return sorted(list(order)[: verification.verify])


def _is_reranked(hypothesis: PlaceHypothesis) -> bool:
    return not math.isnan(hypothesis.match_score)
