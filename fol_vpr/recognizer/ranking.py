"""From the verified hypotheses of an image, and the decision on it, to the published ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Frame, PlaceHypothesis, Verification
from fol_vpr.decision import LocalizationResult
from fol_vpr.geometry import refine_pose
from fol_vpr.mapping import LiveMap


class RankedHypotheses(NamedTuple):
    """The hypotheses of an image in the order that they are published in.

    Attributes:
        hypotheses: best first.
        believed: the one of them that LOCALIZED rests on; None in any other state.
    """

    hypotheses: list[PlaceHypothesis]
    believed: PlaceHypothesis | None


def rank_hypotheses(
    hypotheses: list[PlaceHypothesis], result: LocalizationResult, published: int
) -> RankedHypotheses:
    """Hypotheses with their probabilities; the believed one leads.

    Args:
        hypotheses: of all candidates, in the order after re-ranking.
        result: the decision.
        published: how many are asked for. Verified ones of a lower rank follow them, because
            `refine_leading_pose` takes those into account.
    """
    rest = [h for h in hypotheses[published:] if h.query_xy is not None]
    ranked = [*hypotheses[:published], *rest]
    if result.believed is None:
        return RankedHypotheses([_ranked(h, h.rank, result) for h in ranked], None)
    others = [h for h in ranked if h.place is not result.believed.place]
    ranked = [_ranked(h, rank, result) for rank, h in enumerate([result.believed, *others])]
    return RankedHypotheses(ranked, ranked[0])


def _ranked(hypothesis: PlaceHypothesis, rank: int, result: LocalizationResult) -> PlaceHypothesis:
    return replace(hypothesis, rank=rank, probability=result.probability(hypothesis.place))


def refine_leading_pose(
    ranking: RankedHypotheses, frame: Frame, loaded: LiveMap, config: VerificationConfig
) -> RankedHypotheses:
    """The ranking, with the measured relative and refined pose of its leading hypothesis.

    The believed hypothesis leads, or the verified one of most inliers where none is believed.

    Args:
        ranking: of `rank_hypotheses`.
        frame: the image.
        loaded: the map.
        config: how poses are measured.

    Raises:
        MapError: an image of the map is damaged.
    """
    hypotheses, believed = ranking
    leading = believed or _best_verified(hypotheses)
    if leading is None or leading.verification != Verification.GEOMETRY:
        return ranking
    places = [hypothesis.place for hypothesis in hypotheses]
    refined = refine_pose(leading, frame, loaded, places, config)
    return RankedHypotheses(
        [refined if hypothesis is leading else hypothesis for hypothesis in hypotheses],
        None if believed is None else refined,
    )


class PoseMeasurement:
    """Measures the leading hypotheses of a stream, at most at the rate of `pose_rate`.

    Args:
        trained: whether the network is. Untrained features agree by pixel positions, whatever
            they show, and nothing is measured.
    """

    def __init__(self, trained: bool) -> None:
        self._trained = trained
        self._last_ns: int | None = None

    def measure(
        self,
        ranking: RankedHypotheses,
        frame: Frame,
        loaded: LiveMap,
        config: VerificationConfig,
    ) -> RankedHypotheses:
        """As `refine_leading_pose`; the ranking itself where `config` wants no measurement."""
        if not (self._trained and config.refine_pose):
            return ranking
        return refine_leading_pose(ranking, frame, loaded, config)

    def measured(
        self,
        ranking: RankedHypotheses,
        frame: Frame,
        loaded: LiveMap,
        config: VerificationConfig,
    ) -> PlaceHypothesis | None:
        """The believed hypothesis, measured; None where none is believed."""
        return self.measure(ranking, frame, loaded, config).believed

    def measure_if_due(
        self,
        ranking: RankedHypotheses,
        frame: Frame,
        loaded: LiveMap,
        config: VerificationConfig,
        sequence: bool = True,
    ) -> RankedHypotheses:
        """As `measure`, where the last measured image of the stream is long enough ago.

        An image with an earlier stamp than that one starts a new stream. One that is not of the
        `sequence` is measured always, and does not count.
        """
        if not sequence:
            return self.measure(ranking, frame, loaded, config)
        last = self._last_ns
        if config.pose_rate and last is not None:
            images = (frame.stamp_ns - last) * config.pose_rate / 1e9
            if 0 <= images < 1:
                return ranking
        measured = self.measure(ranking, frame, loaded, config)
        # Where nothing was verified there was nothing to measure, and the next image is due.
        if measured is not ranking:
            self._last_ns = frame.stamp_ns
        return measured

    def reset(self) -> None:
        """Start a new stream."""
        self._last_ns = None


def _best_verified(hypotheses: Sequence[PlaceHypothesis]) -> PlaceHypothesis | None:
    """The verified hypothesis of most inliers; None where none is verified."""
    verified = (h for h in hypotheses if h.verification == Verification.GEOMETRY)
    return max(verified, key=lambda h: (h.inliers, -h.rank), default=None)
