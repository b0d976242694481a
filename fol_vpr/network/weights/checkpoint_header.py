"""What the header of a .safetensors file records, readable without torch."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open

from fol_vpr.errors import WeightsError
from fol_vpr.files import check_regular_file

FORMAT = 'fol_vpr.weights'


def recorded_sha256(path: Path) -> str | None:
    """The SHA-256 of the tensors of weights, as their file records it; None where it does not.

    Raises:
        WeightsError: the file is damaged or cannot be read.
    """
    if path.suffix != '.safetensors':
        return None
    check_regular_file(path, 'weights (.safetensors)', WeightsError)
    try:
        with safe_open(path, framework='numpy') as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f'{path} cannot be read as weights: {error}') from error
    return metadata.get('sha256') if metadata.get('format') == FORMAT else None
