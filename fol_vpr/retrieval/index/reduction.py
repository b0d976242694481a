"""Dimensionality reduction of global descriptors by principal components of a map."""

from __future__ import annotations

import numpy as np

# Extra directions and power iterations of the randomised decomposition.
OVERSAMPLING = 16
ITERATIONS = 2
# Largest inner product of two directions that still counts as orthogonal.
MAX_SKEW = 1e-4


class Reduction:
    """Projects descriptors to `dim` numbers whose Euclidean distances approximate their cosines.

    The first `dim` - 1 numbers are the principal components about the mean. The last one is, for
    references, the length of the residual outside their span, and 0 for queries. The squared
    distance of query and reference, plus the squared residual of the query, is then 2 - 2 cosine,
    except for twice the inner product of both residuals, which is about 0 where these have no
    common structure.

    Attributes:
        mean: [D] float32.
        basis: [D, dim - 1] float32, orthonormal columns.
    """

    def __init__(self, mean: np.ndarray, basis: np.ndarray) -> None:
        self.mean = mean
        self.basis = basis
        self._basis_and_mean = np.ascontiguousarray(np.column_stack([basis, mean]))
        self._offsets = mean @ self._basis_and_mean

    @classmethod
    def fit(cls, sample: np.ndarray, dim: int, seed: int = 0) -> Reduction:
        """Learn the reduction from a sample of descriptors.

        Args:
            sample: [S, D] float32; overwritten.
            dim: length of reduced descriptors; less where the sample has fewer dimensions.
            seed: of the randomised decomposition.
        """
        mean = sample.mean(axis=0)
        sample -= mean
        components = max(1, min(dim - 1, *sample.shape))
        return cls(mean, _leading_directions(sample, components, np.random.default_rng(seed)))

    @property
    def dim(self) -> int:
        """Length of reduced descriptors."""
        return int(self.basis.shape[1]) + 1

    def references(self, rows: np.ndarray) -> np.ndarray:
        """Reduced references [P, dim] of descriptors [P, D] float32."""
        # The product with the basis and the mean at once, centred afterwards: centring the rows
        # would go through memory twice more.
        reduced: np.ndarray = rows @ self._basis_and_mean
        lengths = np.einsum('ij,ij->i', rows, rows) - 2 * reduced[:, -1] + self._offsets[-1]
        reduced[:, :-1] -= self._offsets[:-1]
        inside = np.einsum('ij,ij->i', reduced[:, :-1], reduced[:, :-1])
        reduced[:, -1] = np.sqrt(np.maximum(lengths - inside, 0))
        return reduced

    def query(self, descriptor: np.ndarray) -> np.ndarray:
        """Reduced query [dim] of a descriptor [D] float32."""
        reduced: np.ndarray = descriptor @ self._basis_and_mean - self._offsets
        reduced[-1] = 0
        return reduced


def _leading_directions(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """[D, count] right singular vectors of rows [S, D] for the largest singular values.

    Randomised subspace iteration (Halko, Martinsson and Tropp, SIAM Review 53(2), 2011, algorithms
    4.4 and 5.1): a few passes over the sample; a full decomposition takes minutes.
    """
    width = min(count + OVERSAMPLING, *rows.shape)
    span = rows @ rng.standard_normal((rows.shape[1], width), dtype=np.float32)
    for _ in range(ITERATIONS):
        inner = _orthonormal(rows.T @ _orthonormal(span))
        span = rows @ inner
    # The singular vectors within the span of `inner`, from a small eigenvalue problem.
    _, vectors = np.linalg.eigh(_gram(span))
    return np.ascontiguousarray(inner @ vectors[:, ::-1][:, :count].astype(np.float32))


def _orthonormal(rows: np.ndarray) -> np.ndarray:
    """[m, n] with orthonormal columns, which span those of rows [m, n], m >= n.

    Cholesky QR, repeated once (Fukaya et al., CholeskyQR2, ScalA 2014): nearly all of it is
    matrix products. LAPACK's QR takes ten times as long beside other programs, as its threads wait
    for each other at every column; it is used where the columns are nearly dependent.
    """
    result = rows
    try:
        for _ in range(2):
            factor = np.linalg.cholesky(_gram(result))
            result = result @ np.linalg.inv(factor).T.astype(np.float32)
    except np.linalg.LinAlgError:
        return np.linalg.qr(rows)[0]
    if np.abs(_gram(result) - np.eye(result.shape[1])).max() < MAX_SKEW:
        return result
    return np.linalg.qr(rows)[0]


def _gram(rows: np.ndarray) -> np.ndarray:
    """Inner products [n, n] float64 of the columns of rows [m, n]."""
    gram: np.ndarray = (rows.T @ rows).astype(np.float64)
    return gram
