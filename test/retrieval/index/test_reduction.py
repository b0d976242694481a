"""The reduction of descriptors, compared with the singular value decomposition."""

import numpy as np
from helpers.descriptors import structured

from fol_vpr.retrieval.index.reduction import Reduction


def test_distances_approximate_cosines():
    rows, queries = structured(200, 3, dim=128)
    reduction = Reduction.fit(rows.copy(), 129)
    assert reduction.dim == 129  # all components are kept
    reduced = np.stack([reduction.query(query) for query in queries[:9]])
    squared = ((reduced[:, None] - reduction.references(rows)[None]) ** 2).sum(-1)
    np.testing.assert_allclose(1 - squared / 2, queries[:9] @ rows.T, atol=1e-5)


def test_the_projection_is_about_as_good_as_the_best_one():
    rows, _ = structured(500, 2, dim=256)
    reduction = Reduction.fit(rows.copy(), 41)
    kept = np.square(reduction.references(rows)[:, :-1]).sum()
    singular = np.linalg.svd(rows - rows.mean(0), compute_uv=False)
    assert kept >= 0.995 * np.square(singular[:40]).sum()
    np.testing.assert_allclose(reduction.basis.T @ reduction.basis, np.eye(40), atol=1e-5)


def test_the_length_of_the_residual_improves_similarities():
    rows, queries = structured(400, 2, dim=256)
    reduction = Reduction.fit(rows.copy(), 33)
    references = reduction.references(rows)
    reduced = np.stack([reduction.query(query) for query in queries])
    left_out = np.square(queries - reduction.mean).sum(1) - np.square(reduced).sum(1)

    def error(dims: slice) -> float:
        squared = ((reduced[:, None, dims] - references[None, :, dims]) ** 2).sum(-1)
        return float(np.std(1 - (squared + left_out[:, None]) / 2 - queries @ rows.T))

    assert error(slice(None)) < 0.8 * error(slice(0, -1))
