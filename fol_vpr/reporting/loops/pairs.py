"""Which closures of a drive are worth a look, and the images at their ends."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fol_vpr.datatypes import LoopClosure
from fol_vpr.reporting.loops.result import LoopsResult

LoadImage = Callable[[LoopClosure], 'tuple[np.ndarray | None, np.ndarray | None]']
"""Returns the RGB images [H, W, 3] uint8 of `from` and `to`, None where there is none."""

GREEN, ORANGE, GREY = '#1b9e77', '#d95f02', '#7f7f7f'


@dataclass(frozen=True)
class Colouring:
    """By what closures are coloured.

    Attributes:
        words: for a legend.
        judged: whether a ground truth tells right from wrong.
        values: of each closure, for a scale of colours; NaN where it is not known.
    """

    words: str
    judged: bool
    values: tuple[float, ...]


def colouring(result: LoopsResult) -> Colouring:
    """Right and wrong where a ground truth tells, else the probability, else the inliers."""
    if result.truth is not None:
        return Colouring('ground truth', True, tuple(math.nan for _ in result.closures))
    probabilities = tuple(closure.probability for closure in result.closures)
    if any(math.isfinite(value) for value in probabilities):
        return Colouring('probability', False, probabilities)
    return Colouring('inliers', False, tuple(float(c.inliers) for c in result.closures))


def verdict(result: LoopsResult, closure: LoopClosure) -> str:
    """`right` or `wrong` by the ground truth; empty where it does not tell."""
    right = result.is_right(closure)
    return '' if right is None else 'right' if right else 'wrong'


def most_dubious(result: LoopsResult, count: int) -> list[LoopClosure]:
    """The closures to look at first: wrong ones, then those with the least evidence."""

    def key(closure: LoopClosure) -> tuple[bool, float, int]:
        known = not math.isnan(closure.probability)
        probability = closure.probability if known else 1.0
        return result.is_right(closure) is not False, probability, closure.inliers

    return sorted(result.closures, key=key)[:count]


def evidence_in_words(closure: LoopClosure) -> str:
    """Such as `GEOMETRY, 58 inliers of 131, similarity 0.812, probability 0.97`."""
    text = (
        f'{closure.verification.name}, {closure.inliers} inliers of {closure.matches} matches, '
        f'similarity {closure.similarity:.3f}'
    )
    if not math.isnan(closure.probability):
        text += f', probability {closure.probability:.2f}'
    return text
