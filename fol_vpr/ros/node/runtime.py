"""What the node has while it is configured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fol_vpr.ros.node.image_pipeline import ImagePipeline
from fol_vpr.ros.node.outputs.publishers import Publishers

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.ros.node.mapping.mapper import DriveMapper


@dataclass(frozen=True)
class Runtime:
    """Owns what exists from configure to cleanup.

    Attributes:
        recognizer: the network and the map.
        publishers: the topics on which results are published.
        pipeline: the subscription to images and the threads that process them.
        mapper: builds a map of the images; None where the node localizes.
    """

    recognizer: PlaceRecognizer
    publishers: Publishers
    pipeline: ImagePipeline
    mapper: DriveMapper | None = None

    def close(self) -> None:
        """Stop the threads, destroy the publishers, and free the device and the map."""
        self.pipeline.stop()
        self.publishers.close()
        self.recognizer.close()
