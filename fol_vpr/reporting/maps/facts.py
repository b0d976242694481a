"""What the page of a map is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from fol_vpr.config import PruningConfig
from fol_vpr.datatypes import MapInfo
from fol_vpr.mapping import MapOverview
from fol_vpr.recognizer import MapDescription

MAX_MARKS = 20_000
"""Most references on a plan; more are thinned out evenly."""
MAX_IMAGES, _ROUNDS = 400, 8
MAX_IMAGE_BYTES = 6_000_000
"""Most images in a page, and most bytes of them."""
IMAGE_WIDTH = 320
IMAGE_QUALITY = 72


@dataclass(frozen=True, eq=False)
class MapFacts:
    """A map, and what was found out of it.

    Attributes:
        info: its header.
        description: its places, calibration and scale.
        image: returns the JPEG of a place by its index, or None.
        rows: the header for people, as name and value.
        redundant: indices of places that another one represents; None where it was not computed.
        pruning: when two places represent each other.
        not_compared: why `redundant` was not computed; empty where it was.
        hits: how often places were recognised, by their id; empty where nothing was counted.
    """

    info: MapInfo
    description: MapDescription
    image: Callable[[int], bytes | None]
    rows: Sequence[Sequence[str]]
    redundant: Sequence[int] | None
    pruning: PruningConfig
    not_compared: str = ''
    hits: Mapping[str, int] = field(default_factory=dict)

    @property
    def overview(self) -> MapOverview:
        """What the places cover."""
        return self.description.overview


def spread(indices: Sequence[int], count: int) -> list[int]:
    """At most `count` of some indices, evenly spaced, the first and the last among them."""
    if len(indices) <= count:
        return list(indices)
    return [indices[row] for row in np.linspace(0, len(indices) - 1, count).round().astype(int)]


def thumbnails(facts: MapFacts) -> dict[int, bytes]:
    """JPEGs of places all over the map by their index, as many as a page may hold."""
    found: dict[int, bytes] = {}
    size = 0
    chosen = spread(range(facts.info.places), MAX_IMAGES)
    # In several rounds over the map, so that large images leave out some everywhere.
    for index in (each for first in range(_ROUNDS) for each in chosen[first::_ROUNDS]):
        jpeg = facts.image(index)
        small = None if jpeg is None else _reduced(jpeg)
        if small is None:
            continue
        size += len(small)
        if size > MAX_IMAGE_BYTES:
            break
        found[index] = small
    return found


def _reduced(jpeg: bytes) -> bytes | None:
    """The image with at most `IMAGE_WIDTH` columns; None where it is damaged."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        return None
    height, width = image.shape[:2]
    if width > IMAGE_WIDTH:
        size = (IMAGE_WIDTH, max(1, round(height * IMAGE_WIDTH / width)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    encoded, small = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, IMAGE_QUALITY])
    return small.tobytes() if encoded else None
