"""What the network attends to in an image, and what it keeps of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Masks:
    """Masks and clusters of one image, by the patches of the network's input.

    Attributes:
        attention: [h, w] float32, the extraction mask: how much the network attends to each patch,
            values under 0.01 set to 0.
        assignment: [C, h, w] float32, the fraction of each patch that goes to each cluster; the
            rest, up to 1 per patch, goes to the dustbin.
        chosen: [h, w] bool, patches whose local features are kept.
        local_features: number of local features.
        image_size: width and height of the image in pixels.
        input_size: width and height of the network's input in pixels.
    """

    attention: np.ndarray
    assignment: np.ndarray
    chosen: np.ndarray
    local_features: int
    image_size: tuple[int, int]
    input_size: tuple[int, int]

    @property
    def kept(self) -> np.ndarray:
        """[h, w], the fraction of each patch that does not go to the dustbin."""
        kept: np.ndarray = self.assignment.sum(axis=0)
        return kept

    @property
    def aggregation(self) -> np.ndarray:
        """[h, w], the aggregation mask: the mean of `assignment` over the clusters."""
        mean: np.ndarray = self.assignment.mean(axis=0)
        return mean

    @property
    def leading(self) -> np.ndarray:
        """[h, w], the cluster that gets most of each patch."""
        leading: np.ndarray = self.assignment.argmax(axis=0)
        return leading

    def largest_clusters(self, count: int) -> list[tuple[int, int]]:
        """Clusters that lead in most patches, with their number of patches, largest first."""
        patches = np.bincount(self.leading.ravel(), minlength=len(self.assignment))
        order = np.argsort(-patches, kind='stable')[:count].tolist()
        return [(cluster, int(patches[cluster])) for cluster in order if patches[cluster]]
