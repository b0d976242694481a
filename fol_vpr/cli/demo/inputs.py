"""The images that the demo uses, and how they are subsampled."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, replace
from pathlib import Path

from fol_vpr.cli.common.output import remark
from fol_vpr.config import CameraConfig
from fol_vpr.files import atomic_text


@dataclass(frozen=True)
class DemoInputs:
    """The images of the demo.

    Attributes:
        reference: folder or bag that the map is built from.
        queries: folder or bag that is played to the node.
        further: bag of a further pass, which the map is calibrated with, or None.
        ground_truth: CSV with the columns query_index,ref_indices, or None.
        image_topic, pose_topic, odom_topic: topics of the bags; None where not given.
        camera: of all images.
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


def subsample(inputs: DemoInputs, output: Path, every: int) -> DemoInputs:
    """Every Nth image of the folders, as links; bags stay as they are.

    Args:
        inputs: the images.
        output: folder in which folders of links are made, and a ground truth that fits.
        every: N.
    """
    steps = [every if is_folder(path) else 1 for path in (inputs.reference, inputs.queries)]
    if set(steps) == {1}:
        return inputs
    remark(
        f'Subsampled: 1 of every {every} images of a folder is used, so that the demo ends within '
        'minutes (--every 1 uses all).'
    )
    truth = inputs.ground_truth
    if truth is not None:
        truth = _subsampled_ground_truth(inputs, output / 'ground_truth.csv', steps[0], steps[1])
    reference = _linked(inputs.reference, output / 'reference', steps[0])
    queries = reference
    if not inputs.is_own_pass:
        queries = _linked(inputs.queries, output / 'query', steps[1])
    return replace(inputs, reference=reference, queries=queries, ground_truth=truth)


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


def _subsampled_ground_truth(
    inputs: DemoInputs, output: Path, every_reference: int, every_query: int
) -> Path:
    from fol_vpr.evaluation.ground_truth import read_ground_truth
    from fol_vpr.sources import open_source

    assert inputs.ground_truth is not None
    counts = [len(open_source(path)) for path in (inputs.queries, inputs.reference)]
    positives = read_ground_truth(inputs.ground_truth, *counts)
    with atomic_text(output) as file:
        writer = csv.writer(file)
        writer.writerow(['query_index', 'ref_indices'])
        for query, positive in enumerate(positives[::every_query]):
            kept = sorted(i // every_reference for i in positive if i % every_reference == 0)
            writer.writerow([query, ' '.join(map(str, kept))])
    return output
