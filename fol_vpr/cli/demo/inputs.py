"""Which images the demo is shown, and how many of them."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, replace
from pathlib import Path

from fol_vpr.cli.common.console import atomic_text
from fol_vpr.config import CameraConfig


@dataclass(frozen=True)
class Scene:
    """Which images the demo is shown.

    Attributes:
        reference: folder or bag that the map is built from.
        queries: folder or bag that is played.
        further: folder or bag of another pass, which the map is calibrated with, or None.
        ground_truth: CSV, or None.
        image_topic, pose_topic, odom_topic: of the bags.
        camera: of all.
    """

    reference: Path
    queries: Path
    further: Path | None = None
    ground_truth: Path | None = None
    image_topic: str | None = None
    pose_topic: str | None = None
    odom_topic: str | None = None
    camera: CameraConfig = field(default_factory=CameraConfig)

    @property
    def is_own_pass(self) -> bool:
        """Whether the queries are the references themselves."""
        return self.reference == self.queries


def thinned(scene: Scene, output: Path, every: int) -> Scene:
    """The scene with every Nth image of its folders only, as links; bags stay as they are."""
    steps = [every if is_folder(path) else 1 for path in (scene.reference, scene.queries)]
    if set(steps) == {1}:
        return scene
    print(
        f'Subsampled: 1 of every {every} images of a folder, so that this ends within minutes '
        '(--every 1 takes all).'
    )
    truth = scene.ground_truth
    if truth is not None:
        truth = _thinned_truth(scene, output / 'ground_truth.csv', steps[0], steps[1])
    reference = _linked(scene.reference, output / 'reference', steps[0])
    queries = reference
    if not scene.is_own_pass:
        queries = _linked(scene.queries, output / 'query', steps[1])
    return replace(scene, reference=reference, queries=queries, ground_truth=truth)


def is_folder(path: Path) -> bool:
    """Whether a path is a folder of images rather than a bag.

    Raises:
        InputError: there is no such path.
    """
    from fol_vpr.sources import is_bag

    return not is_bag(path)


def _linked(path: Path, target: Path, every: int) -> Path:
    from fol_vpr.sources import ImageFolder

    if every == 1:
        return path
    target.mkdir()
    files = ImageFolder(path).files
    for position in range(0, len(files), every):
        file = path / files[position]
        (target / f'{position:06d}_{file.name}').symlink_to(file.resolve())
    return target


def _thinned_truth(scene: Scene, output: Path, every_reference: int, every_query: int) -> Path:
    from fol_vpr.evaluation.ground_truth import read_ground_truth
    from fol_vpr.sources import open_source

    assert scene.ground_truth is not None
    counts = [len(open_source(path)) for path in (scene.queries, scene.reference)]
    positives = read_ground_truth(scene.ground_truth, *counts)
    with atomic_text(output) as file:
        writer = csv.writer(file)
        writer.writerow(['query_index', 'ref_indices'])
        for query, positive in enumerate(positives[::every_query]):
            kept = sorted(i // every_reference for i in positive if i % every_reference == 0)
            writer.writerow([query, ' '.join(map(str, kept))])
    return output
