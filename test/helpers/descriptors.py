"""Synthetic global descriptors with a structure similar to that of real images."""

from __future__ import annotations

import numpy as np

from fol_vpr.datatypes import GeoPosition, Place, Pose

IDENTITY = np.array([0.0, 0.0, 0.0, 1.0])


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def structured(
    locations: int, views: int, dim: int = 256, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """References [locations * views, dim] and one query per location [locations, dim].

    Descriptors have a common mean and variances that fall with a power of their rank; views of one
    location differ by smaller noise of the same distribution.
    """
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    spread = np.arange(1, dim + 1) ** -0.6
    mean = 2 * rng.standard_normal(dim) @ (basis * spread).T

    def drawn(*shape: int) -> np.ndarray:
        return rng.standard_normal((*shape, dim)) * spread @ basis.T

    anchors = mean + drawn(locations)
    seen = anchors[:, None] + 0.45 * drawn(locations, views + 1)
    return unit(seen[:, 1:].reshape(-1, dim)), unit(seen[:, 0])


def places(count: int, *, first: int = 0, sessions: int = 2, located: bool = True) -> list[Place]:
    """Places one metre apart along x, in sessions s0, s1, ... alternately."""
    return [
        Place(
            index=index,
            place_id=f'p{index}',
            session_id=f's{index % sessions}',
            stamp_ns=index,
            image_uri='',
            image_size=(4, 3),
            pose=Pose(np.array([float(index), 0.0, 0.0]), IDENTITY) if located else None,
            geo=GeoPosition(45.0, 1e-5 * index) if located else None,
        )
        for index in range(first, first + count)
    ]
