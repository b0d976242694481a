"""Regions of an image that the network chose, and values of its patches, drawn over the image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from fol_vpr.datatypes import LocalFeatures

# Brightness and colour that are left where nothing was chosen.
_DIMMED, _COLOUR_LEFT = 0.62, 0.35
# What the least of the chosen regions has of the way to full brightness.
_LEAST = 0.35
OUTLINE = (255, 255, 255)


@dataclass(frozen=True, eq=False)
class Regions:
    """How much each pixel of an image counts in the comparison with others.

    Attributes:
        weight: [H, W] float32, from 0 to 1; 0 where the network chose nothing.
        chosen: [H, W] bool, where it did.
    """

    weight: np.ndarray
    chosen: np.ndarray

    @property
    def everywhere(self) -> bool:
        """Whether all patches were chosen, as of images of few patches."""
        rows, columns = np.flatnonzero(self.chosen.any(axis=1)), np.flatnonzero(self.chosen.any(0))
        if not len(rows):
            return False
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return bool(self.chosen[box].all())


def regions_of(
    local: LocalFeatures, image_size: tuple[int, int], shape: tuple[int, int]
) -> Regions:
    """The regions that the local features of an image stand for.

    Local features lie on a grid of a quarter of a patch; each stands for its cell of that grid.

    Args:
        local: of the image.
        image_size: width and height of the image that the positions are of.
        shape: height and width of the image that is drawn.
    """
    weight, chosen = np.zeros(shape, np.float32), np.zeros(shape, bool)
    if not len(local.positions):
        return Regions(weight, chosen)
    scale = np.array([shape[1] / image_size[0], shape[0] / image_size[1]])
    steps = np.array([_step(local.positions[:, axis]) for axis in (0, 1)])
    low = np.floor((local.positions + 0.5 - steps / 2) * scale).astype(int)
    high = np.ceil((local.positions + 0.5 + steps / 2) * scale).astype(int)
    # By rank, because a few weights are far larger than all others.
    levels = np.unique(local.weights)
    ranks = np.searchsorted(levels, local.weights) / max(len(levels) - 1, 1)
    values = _LEAST + (1 - _LEAST) * ranks
    for (x0, y0), (x1, y1), value in zip(low.clip(0), high, values, strict=True):
        chosen[y0:y1, x0:x1] = True
        weight[y0:y1, x0:x1] = value
    # Patches have hard borders, which would be taken for edges of the image.
    blur = float(max(steps * scale))
    smooth = cv2.GaussianBlur(weight, (0, 0), max(blur, 0.5)) * chosen
    return Regions(smooth, chosen)


def with_regions(image: np.ndarray, regions: Regions) -> np.ndarray:
    """An image that is darker and greyer where it counts less.

    Args:
        image: [H, W, 3] uint8, RGB.
        regions: of an image of this size.
    """
    if not regions.chosen.any():
        return image
    weight = regions.weight[..., None]
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    colour = _COLOUR_LEFT + (1 - _COLOUR_LEFT) * weight
    faded = (_DIMMED + (1 - _DIMMED) * weight) * (colour * image + (1 - colour) * grey)
    shown: np.ndarray = faded.round().astype(np.uint8)
    if regions.everywhere:
        return shown
    contours, _ = cv2.findContours(
        regions.chosen.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE
    )
    lined = shown.copy()
    cv2.drawContours(lined, contours, -1, OUTLINE, 1, cv2.LINE_AA)
    result: np.ndarray = cv2.addWeighted(shown, 0.5, lined, 0.5, 0)
    return result


def heat(image: np.ndarray, values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values of patches as colours over an image: dark blue is low, yellow is high.

    Args:
        image: [H, W, 3] uint8, RGB.
        values: [h, w], one for each patch.
        low, high: values of the first and of the last colour.
    """
    scaled = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    colours = colour_ramp((255 * scaled).astype(np.uint8))
    large = cv2.resize(colours, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    mixed: np.ndarray = cv2.addWeighted(_grey(image), 0.4, large, 0.6, 0)
    return mixed


def colour_ramp(levels: np.ndarray) -> np.ndarray:
    """RGB [h, w, 3] of levels [h, w] uint8; matplotlib's viridis, told apart without colours."""
    rgb: np.ndarray = cv2.cvtColor(
        cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB
    )
    return rgb


def painted(image: np.ndarray, colours: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Patches painted over an image.

    Args:
        image: [H, W, 3] uint8, RGB.
        colours: [h, w, 3] uint8, RGB, of each patch.
        strength: [h, w], from 0 (the image in grey) to 1 (the colour alone).
    """
    size = image.shape[1::-1]
    paint = cv2.resize(colours, size, interpolation=cv2.INTER_NEAREST).astype(np.float32)
    opacity = cv2.resize(strength.astype(np.float32), size, interpolation=cv2.INTER_NEAREST)
    mixed: np.ndarray = _grey(image) * (1 - opacity[..., None]) + paint * opacity[..., None]
    rounded: np.ndarray = mixed.round().astype(np.uint8)
    return rounded


def _grey(image: np.ndarray) -> np.ndarray:
    grey: np.ndarray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return grey


def _step(values: np.ndarray) -> float:
    """Distance of the grid that values lie on; 1 where they are all the same."""
    steps = np.diff(np.unique(values))
    steps = steps[steps > 1e-3]
    return float(steps.min()) if len(steps) else 1.0
