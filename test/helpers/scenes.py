"""Pictures for tests: cluttered views of made-up places that differ clearly from each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from fol_vpr.datatypes import Frame, Pose
from fol_vpr.mapping import KeyframeSelector

HEIGHT, WIDTH = 240, 320
MARGIN = 24
IDENTITY = np.array([0.0, 0.0, 0.0, 1.0])


def view(place: int, shift: int = 0) -> np.ndarray:
    """RGB [240, 320, 3] uint8 of a place, seen `shift` pixels further to the right (< 24)."""
    rng = np.random.default_rng(1000 + place)
    wide = np.full((HEIGHT, WIDTH + MARGIN, 3), rng.integers(60, 200, 3), np.uint8)
    for _ in range(120):
        x, y = (int(v) for v in rng.integers(0, [WIDTH + MARGIN, HEIGHT]))
        w, h = (int(v) for v in rng.integers(4, 70, 2))
        colour = [int(v) for v in rng.integers(20, 235, 3)]
        if rng.random() < 0.5:
            cv2.rectangle(wide, (x, y), (x + w, y + h), colour, -1)
        else:
            cv2.circle(wide, (x, y), w // 2 + 1, colour, -1)
    return np.ascontiguousarray(wide[:, shift : shift + WIDTH])


def frames(count: int, shift: int = 0) -> list[Frame]:
    """One frame for each of `count` places, ten metres and a second apart."""
    return [
        Frame(
            view(place, shift),
            stamp_ns=(place + 1) * 1_000_000_000,
            frame_id='camera',
            uri=f'view{place:03d}',
            pose=Pose(np.array([10.0 * place, 0.0, 0.0]), IDENTITY),
        )
        for place in range(count)
    ]


def write_folder(folder: Path, count: int, shift: int = 0) -> Path:
    """The same views as JPEG files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for place in range(count):
        bgr = cv2.cvtColor(view(place, shift), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / f'view{place:03d}.jpg'), bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])
    return folder


def select_keyframes(
    frames: Iterable[tuple[int, Frame]], selector: KeyframeSelector
) -> Iterator[tuple[int, Frame]]:
    """The keyframes among (position, frame), the first frame always being one."""
    for position, frame in frames:
        if selector.wants(frame.stamp_ns, frame.pose, frame.geo):
            selector.stored(frame.stamp_ns, frame.pose, frame.geo)
            yield position, frame
