"""What the network attends to in an image, and what it keeps of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
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

    def as_json(self) -> dict[str, Any]:
        """The figures as values for JSON."""
        kept, total = self.kept, self.chosen.size
        regions, _ = cv2.connectedComponents(self.chosen.astype(np.uint8), connectivity=4)
        return {
            'image_size': list(self.image_size),
            'input_size': list(self.input_size),
            'patches': {'rows': self.chosen.shape[0], 'columns': self.chosen.shape[1]},
            'attention': {
                'share_of_patches_attended': float((self.attention > 0).mean()),
                'largest': float(self.attention.max()),
            },
            'aggregation': {
                'share_to_dustbin': float(1 - kept.mean()),
                'patches_mostly_to_dustbin': int((kept < 0.5).sum()),
                'largest_share_kept': float(kept.max()),
            },
            'regions': {
                'chosen_patches': int(self.chosen.sum()),
                'share_of_image': float(self.chosen.sum() / total),
                'connected_regions': regions - 1,
                'local_features': self.local_features,
            },
            'clusters': {
                'count': len(self.assignment),
                'leading_somewhere': len(np.unique(self.leading)),
                'largest': [
                    {'cluster': cluster, 'patches': patches}
                    for cluster, patches in self.largest_clusters(10)
                ],
            },
        }
