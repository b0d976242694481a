"""From what an image showed, and what was decided of it, to the hypotheses of its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Frame, PlaceHypothesis, Verification
from fol_vpr.decision import LocalizationResult
from fol_vpr.geometry.metric.refinement import refine_pose
from fol_vpr.mapping import LiveMap
from fol_vpr.mapping.candidate_matcher import hypothesis_of
from fol_vpr.recognizer.retrieval import Seen


def rank_hypotheses(
    seen: Seen, result: LocalizationResult, loaded: LiveMap, published: int
) -> list[PlaceHypothesis]:
    """Hypotheses with their probabilities, the believed one first.

    Args:
        seen: what the image showed of the map.
        result: what was decided.
        loaded: the map.
        published: how many are asked for; those that were verified are there as well.
    """
    answer = [
        hypothesis_of(loaded.place(candidate.index), candidate, rank)
        for rank, candidate in enumerate(seen.ranked[:published])
    ]
    for hypothesis in seen.checked:
        answer[hypothesis.rank : hypothesis.rank + 1] = [hypothesis]
    if result.believed is not None:
        answer = _with_first(result.believed, answer)
    return [replace(h, probability=result.probability(h.place)) for h in answer]


def with_poses(
    answer: list[PlaceHypothesis],
    frame: Frame,
    loaded: LiveMap,
    config: VerificationConfig,
    *,
    believed: bool,
) -> list[PlaceHypothesis]:
    """The answer, with the relative and the refined pose of its leading hypothesis.

    Args:
        answer: of `rank_hypotheses`.
        frame: the image.
        loaded: the map.
        config: how poses are measured.
        believed: whether the first hypothesis is; else the one leads that most inliers speak for.
    """
    leading = answer[0] if believed else _best_verified(answer)
    if leading is None or leading.verification != Verification.GEOMETRY:
        return answer
    ranked = [hypothesis.place for hypothesis in answer]
    found = refine_pose(leading, frame, loaded, ranked, config)
    return [found if hypothesis is leading else hypothesis for hypothesis in answer]


def _best_verified(hypotheses: Sequence[PlaceHypothesis]) -> PlaceHypothesis | None:
    """The one that most inliers speak for, None where none passed."""
    passed = (h for h in hypotheses if h.verification == Verification.GEOMETRY)
    return max(passed, key=lambda h: (h.inliers, -h.rank), default=None)


def _with_first(
    believed: PlaceHypothesis, hypotheses: list[PlaceHypothesis]
) -> list[PlaceHypothesis]:
    """The believed hypothesis, then the others in their order, ranked anew."""
    others = [h for h in hypotheses if h.place is not believed.place]
    return [replace(h, rank=rank) for rank, h in enumerate([believed, *others])]
