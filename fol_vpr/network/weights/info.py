"""What is known about a set of weights, readable without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

IMAGENET = 'imagenet'


@dataclass(frozen=True)
class WeightsInfo:
    """What is known about a set of weights.

    Attributes:
        name: registered name, or name of the file.
        architecture: a key of `ARCHITECTURES`.
        sha256: of names, shapes and float32 values of all tensors; independent of the file format.
        parameters: number of parameters.
        trained: False for the deterministic random weights.
        input_size: side in pixels of the input that they were trained for; None where the file
            does not say.
        preprocessing: `imagenet`: images are normalised by ImageNet's mean and deviation.
        path: the file; None for weights without a file.
    """

    name: str
    architecture: str
    sha256: str
    parameters: int
    trained: bool = True
    input_size: int | None = None
    preprocessing: str = IMAGENET
    path: Path | None = None

    @property
    def model_id(self) -> str:
        """Architecture and SHA-256, as maps record them."""
        return f'{self.architecture}:{self.sha256}'
