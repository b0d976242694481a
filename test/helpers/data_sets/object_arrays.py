"""Writes arrays of objects as NumPy does, with any protocol of pickle."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np


def write_object_array(path: Path, array: np.ndarray, protocol: int = 2) -> Path:
    """A .npy file; np.save itself has one protocol only."""
    return write_pickle_as_array(path, array, array.shape, protocol)


def write_pickle_as_array(
    path: Path, content: Any, shape: tuple[int, ...], protocol: int = 2
) -> Path:
    """A .npy file of objects whose pickle holds anything."""
    with path.open('wb') as file:
        header = {'descr': '|O', 'fortran_order': False, 'shape': shape}
        np.lib.format.write_array_header_1_0(file, header)
        pickle.dump(content, file, protocol=protocol)
    return path
