"""What the network looks at in an image: its masks and clusters, drawn over the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from fol_vpr.datatypes import Masks
from fol_vpr.pictures.images import below, beside, fitted, with_margin
from fol_vpr.pictures.mask_figures import mask_figures
from fol_vpr.pictures.regions import colour_ramp, heat, painted
from fol_vpr.pictures.text import FAINT_INK, INK, RGB, Text, font, name_within, text_block

MARGIN, GAP = 24, 24
# Height of a panel in relation to its width, at most.
_TALLEST = 1.1
# Colours of the largest clusters, told apart on photographs and by most who confuse colours.
CLUSTER_COLOURS: tuple[RGB, ...] = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
    (204, 121, 167), (148, 103, 189), (140, 86, 75), (127, 201, 60),
)  # fmt: skip
OTHER_CLUSTERS: RGB = (205, 208, 212)
# The least that a patch must measure in the picture for the number of its cluster.
_PATCH_WITH_NUMBER = 20


def explanation_picture(
    image: np.ndarray, masks: Masks, name: str, weights: str, *, width: int = 1600
) -> np.ndarray:
    """Draw what the network looks at in an image, and what it keeps.

    Four panels: attention, aggregation mask, chosen regions, clusters; each with a scale or a
    legend, and a sentence that says what it means.

    Args:
        image: [H, W, 3] uint8, RGB.
        masks: of the image.
        name: of the image, for people.
        weights: name of the weights.
        width: of the picture in pixels.

    Returns:
        [H, width, 3] uint8, RGB.
    """
    inner = width - 2 * MARGIN
    side = (inner - GAP) // 2
    shown = fitted(image, side, round(side * _TALLEST))
    figures = mask_figures(masks)
    panels = [
        _attention(shown, masks, figures['attention'], side),
        _aggregation(shown, masks, figures['aggregation'], side),
        _regions(shown, masks, figures['regions'], side),
        _clusters(shown, masks, figures['clusters'], side),
    ]
    rows, columns = masks.chosen.shape
    title = name_within(f'What the network looks at: {name}', 26, inner, bold=True)
    header = [
        Text(title, 26, True, rows=1),
        Text(
            f'{weights}; image of {masks.image_size[0]} x {masks.image_size[1]} pixels, input of '
            f'{masks.input_size[0]} x {masks.input_size[1]}: {columns} x {rows} patches',
            18,
            colour=FAINT_INK,
        ),
    ]
    parts = [text_block(inner, header), beside(panels[:2], GAP), beside(panels[2:], GAP)]
    return with_margin(below(parts, GAP), MARGIN)


def mask_panel(image: np.ndarray, values: np.ndarray, label: str, width: int) -> np.ndarray:
    """An image under a mask, with a scale of its colours below.

    Args:
        image: [H, W, 3] uint8, RGB, at most as wide as the panel.
        values: [h, w], of the patches.
        label: of the scale.
        width: of the panel in pixels.

    Returns:
        [H, width, 3] uint8, RGB.
    """
    low, high = float(values.min()), float(values.max())
    return below([heat(image, values, low, high), _scale(low, high, label, width)], 6)


def _attention(
    image: np.ndarray, masks: Masks, figures: Mapping[str, Any], side: int
) -> np.ndarray:
    words = (
        'How much the image as a whole attends to each patch in the last block of the network '
        f'(extraction mask). {100 * figures["share_of_patches_attended"]:.0f} % of the patches '
        'reach 0.01; the others count as 0, and are the first to go to the dustbin.'
    )
    panel = mask_panel(image, masks.attention, 'attention', side)
    return _panel('Attention', panel, words, side)


def _aggregation(
    image: np.ndarray, masks: Masks, figures: Mapping[str, Any], side: int
) -> np.ndarray:
    words = (
        'How much of each patch goes into the descriptor of the image (aggregation mask, as the '
        'sum over the clusters). The rest goes to the dustbin: '
        f'{100 * figures["share_to_dustbin"]:.0f} % of all, and more than half of '
        f'{figures["patches_mostly_to_dustbin"]} of {masks.chosen.size} patches.'
    )
    panel = mask_panel(image, masks.kept, 'share kept', side)
    return _panel('Aggregation mask', panel, words, side)


def _regions(image: np.ndarray, masks: Masks, figures: Mapping[str, Any], side: int) -> np.ndarray:
    colours = np.broadcast_to(np.array([255, 255, 255], np.uint8), (*masks.chosen.shape, 3))
    faded = painted(image, colours, np.where(masks.chosen, 0, 0.6))
    large = cv2.resize(
        masks.chosen.astype(np.uint8), image.shape[1::-1], interpolation=cv2.INTER_NEAREST
    )
    drawn = np.where(large[..., None] > 0, image, faded)
    if not masks.chosen.all():
        contours, _ = cv2.findContours(large, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        drawn = np.ascontiguousarray(drawn)
        cv2.drawContours(drawn, contours, -1, CLUSTER_COLOURS[5], 2, cv2.LINE_AA)
    chosen, patches = figures['chosen_patches'], masks.chosen.size
    if chosen == patches:
        words = (
            f'All {patches} patches are kept for the comparison of local features: this input has '
            'no more of them than the network keeps.'
        )
    else:
        words = (
            f'The {chosen} of {patches} patches of largest aggregation mask, in '
            f'{_counted(figures["connected_regions"], "connected region")}. Their '
            f'{figures["local_features"]} local features are compared with those of references '
            'when candidates are re-ranked and verified; the faded rest is not.'
        )
    return _panel('Chosen regions', drawn, words, side)


def _clusters(
    image: np.ndarray, masks: Masks, figures: Mapping[str, Any], side: int
) -> np.ndarray:
    largest = masks.largest_clusters(len(CLUSTER_COLOURS))
    colour_of = np.full((len(masks.assignment), 3), OTHER_CLUSTERS, np.uint8)
    # There may be fewer clusters than colours.
    for (cluster, _), colour in zip(largest, CLUSTER_COLOURS, strict=False):
        colour_of[cluster] = colour
    leading, kept = masks.leading, masks.kept
    # What goes to the dustbin for the most part is pale.
    strength = 0.25 + 0.5 * np.clip(kept / max(float(np.quantile(kept, 0.9)), 1e-6), 0, 1)
    drawn = painted(image, colour_of[leading], strength)
    _write_numbers(drawn, leading)
    words = (
        f'Which of the {figures["count"]} clusters gets most of each patch; strong colours are '
        'kept, pale ones go mostly to the dustbin. Patches of one cluster are summed up, so they '
        f'should show the same kind of thing. {figures["leading_somewhere"]} clusters lead in at '
        'least one patch.'
    )
    others = leading.size - sum(patches for _, patches in largest)
    legend = _legend(largest, figures['leading_somewhere'] - len(largest), others, side)
    return _panel('Clusters', below([drawn, legend], 6), words, side)


def _panel(title: str, drawn: np.ndarray, words: str, side: int) -> np.ndarray:
    head = text_block(side, [Text(title, 22, True)])
    return below([head, drawn, text_block(side, [Text(words, 17, rows=6)])], 6)


def _scale(low: float, high: float, label: str, width: int) -> np.ndarray:
    """The colours from a lowest to a highest value."""
    bar = colour_ramp(np.linspace(0, 255, max(width, 2)).round().astype(np.uint8)[None])
    bar = np.repeat(bar, 14, axis=0)
    face = font(16)
    middle = (low + high) / 2
    ends = [f'{low:.3g}', f'{label} {middle:.3g}', f'{high:.3g}']
    text = text_block(width, [Text(ends[0], 16, rows=1)]).copy()
    for words, left in (
        (ends[1], (width - round(face.getlength(ends[1]))) // 2),
        (ends[2], width - round(face.getlength(ends[2])) - 2),
    ):
        block = text_block(width - max(left, 0), [Text(words, 16, rows=1)])
        text[:, max(left, 0) :] = block[: len(text)]
    return below([bar, text], 2)


def _legend(
    largest: Sequence[tuple[int, int]], other_clusters: int, other_patches: int, side: int
) -> np.ndarray:
    """The largest clusters with their colours, in rows."""
    texts = [
        (f'{cluster}: {_counted(patches, "patch", "patches")}', colour)
        for (cluster, patches), colour in zip(largest, CLUSTER_COLOURS, strict=False)
    ]
    if other_clusters > 0:
        words = _counted(other_patches, 'patch', 'patches')
        texts.append((f'{_counted(other_clusters, "other")}: {words}', OTHER_CLUSTERS))
    rows: list[np.ndarray] = []
    row: list[np.ndarray] = []
    used = 0
    for words, colour in texts:
        wide = round(font(16).getlength(words)) + 46
        if row and used + wide > side:
            rows.append(beside(row, 0))
            row, used = [], 0
        row.append(_entry(words, colour, min(wide, side)))
        used += wide
    if row:
        rows.append(beside(row, 0))
    return below(rows, 2)


def _counted(count: int, one: str, many: str = '') -> str:
    return f'{count} {one if count == 1 else many or one + "s"}'


def _entry(words: str, colour: RGB, width: int) -> np.ndarray:
    """A patch of colour with words beside it."""
    text = text_block(max(width - 26, 1), [Text(words, 16, rows=1)])
    swatch = np.full((len(text), 26, 3), 255, np.uint8)
    swatch[3:-3, :18] = colour
    return np.concatenate([swatch, text], axis=1)


def _write_numbers(drawn: np.ndarray, leading: np.ndarray) -> None:
    """The number of its cluster in each patch, where patches are large enough."""
    tall, wide = drawn.shape[0] / leading.shape[0], drawn.shape[1] / leading.shape[1]
    if min(tall, wide) < _PATCH_WITH_NUMBER:
        return
    from PIL import Image, ImageDraw

    sheet = Image.fromarray(drawn)
    draw = ImageDraw.Draw(sheet)
    face = font(min(15, round(min(tall, wide) * 0.42)))
    for (row, column), cluster in np.ndenumerate(leading):
        centre = ((column + 0.5) * wide, (row + 0.5) * tall)
        draw.text(
            centre, str(cluster), font=face, fill=INK, anchor='mm', stroke_width=1,
            stroke_fill=(255, 255, 255),
        )  # fmt: skip
    drawn[:] = np.asarray(sheet)
