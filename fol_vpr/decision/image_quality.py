"""Assesses whether an image is good enough to be recognised, with reasons."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

WORKING_WIDTH = 320
DARK, BRIGHT = 16, 250
# Standard deviations of the grey values and of their Laplacian: at the minimum the score is 0, at
# the good value 1. Both are measured on the image reduced to WORKING_WIDTH pixels of width.
MIN_CONTRAST, GOOD_CONTRAST = 4.0, 16.0
MIN_SHARPNESS, GOOD_SHARPNESS = 1.5, 6.0


@dataclass(frozen=True)
class ImageQuality:
    """Quality of an image.

    Attributes:
        score: 0 (unusable) to 1.
        reason: what is wrong with the image, worst first; empty where nothing is.
    """

    score: float
    reason: str


def assess_image(image: np.ndarray) -> ImageQuality:
    """Assess exposure, contrast and sharpness of an RGB image [H, W, 3] of uint8.

    The score is the minimum of four scores: dark pixels, bright pixels, contrast, sharpness. Each
    rises linearly from 0 to 1 between two limits, which are heuristics.
    """
    height, width = image.shape[:2]
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if width > WORKING_WIDTH:
        size = (WORKING_WIDTH, max(1, round(height * WORKING_WIDTH / width)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    counts = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel()
    dark = float(counts[: DARK + 1].sum() / grey.size)
    bright = float(counts[BRIGHT:].sum() / grey.size)
    contrast = _deviation(grey)
    # 16 bits hold every value of the Laplacian of 8 bits.
    sharpness = _deviation(cv2.Laplacian(grey, cv2.CV_16S))
    scores = {
        f'dark: {dark:.0%} of the image is black': _ramp(1 - dark, 0.05, 0.35),
        f'overexposed: {bright:.0%} of the image is white': _ramp(1 - bright, 0.05, 0.35),
        f'hardly any contrast (grey values ±{contrast:.1f}), is the lens covered?': _ramp(
            contrast, MIN_CONTRAST, GOOD_CONTRAST
        ),
        f'blurred (edge strength {sharpness:.1f})': _ramp(
            sharpness, MIN_SHARPNESS, GOOD_SHARPNESS
        ),
    }
    flaws = sorted((score, reason) for reason, score in scores.items() if score < 1)
    if not flaws:
        return ImageQuality(1.0, '')
    return ImageQuality(flaws[0][0], '; '.join(reason for _, reason in flaws))


def _deviation(values: np.ndarray) -> float:
    """Standard deviation; several times faster by OpenCV than by NumPy."""
    return float(cv2.meanStdDev(values)[1].item())


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))
