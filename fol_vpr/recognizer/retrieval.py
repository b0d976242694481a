"""What an image shows of a map: search, re-ranking, verification. Nothing is decided here."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from fol_vpr.config import RecognizerConfig
from fol_vpr.datatypes import Candidate, Features, Frame, Place, PlaceHypothesis, Prior
from fol_vpr.decision import ImageQuality, Observation, assess_image, same_place
from fol_vpr.mapping import LiveMap
from fol_vpr.mapping.candidate_matcher import CandidateMatcher, hypothesis_of


class Seen(NamedTuple):
    """What an image gave.

    Attributes:
        ranked: all candidates in their order after re-ranking.
        checked: the hypotheses that were verified geometrically, best first.
        quality: of the image.
        observation: the evidence.
    """

    ranked: list[Candidate]
    checked: list[PlaceHypothesis]
    quality: ImageQuality
    observation: Observation


def look(
    frame: Frame,
    features: Features,
    loaded: LiveMap,
    config: RecognizerConfig,
    *,
    device: str,
    timings: dict[str, float],
    prior: Prior | None = None,
    exclude: frozenset[int] = frozenset(),
) -> Seen:
    """Search a map for an image, re-rank what is found, and verify the leaders.

    Args:
        frame: the image.
        features: what the network says of it.
        loaded: the map.
        config: how many are looked at, and how closely.
        device: where local features are compared.
        timings: seconds by stage; what these stages take is added.
        prior: what is known of the place.
        exclude: references, by `Place.index`, that are left out as if the map had none.

    Raises:
        MapError: the map cannot be read any more.
        DeviceError: the device ran out of memory.
    """
    retrieval = config.retrieval
    with timed(timings, 'search'):
        found = loaded.search(features, retrieval.candidates + len(exclude), prior)
        found = [each for each in found if each.index not in exclude][: retrieval.candidates]
    with timed(timings, 'rerank'):
        comparison = CandidateMatcher(frame, features, loaded, config, device)
        ranked = comparison.rank(found)
    with timed(timings, 'verify'):
        places = [loaded.place(candidate.index) for candidate in ranked]
        checked = comparison.verify(ranked, _ranks_to_verify(places, config))
        quality = assess_image(frame.image)
    observation = Observation(
        stamp_ns=frame.stamp_ns,
        candidates=found,
        places=[loaded.place(candidate.index) for candidate in found],
        hypotheses=_looked_at(places, ranked, checked),
        descriptor=features.global_descriptor,
        odometry=frame.odometry,
        quality=quality.score,
    )
    return Seen(ranked, checked, quality, observation)


def _ranks_to_verify(places: list[Place], config: RecognizerConfig) -> list[int]:
    """The best, the best one of another place as its rival, then the next ones; ascending."""
    reach = range(1, min(len(places), max(config.retrieval.rerank, config.verification.verify)))
    verification = config.verification
    rival = [r for r in reach if not same_place(places[r], places[0], verification)][:1]
    order = dict.fromkeys([0, *rival, *reach]) if places else {}
    return sorted(list(order)[: config.verification.verify])


def _looked_at(
    places: list[Place], ranked: list[Candidate], checked: list[PlaceHypothesis]
) -> list[PlaceHypothesis]:
    """The hypotheses that were re-ranked or verified, best first."""
    by_rank = {hypothesis.rank: hypothesis for hypothesis in checked}
    return [
        by_rank.get(rank) or hypothesis_of(places[rank], candidate, rank)
        for rank, candidate in enumerate(ranked)
        if rank in by_rank or not math.isnan(candidate.match_score)
    ]


@contextmanager
def timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    """Add the seconds of a block to those of a stage."""
    started = time.perf_counter()
    try:
        yield
    finally:
        timings[stage] = timings.get(stage, 0.0) + time.perf_counter() - started
