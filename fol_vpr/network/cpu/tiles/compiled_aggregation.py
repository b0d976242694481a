"""The aggregation of one image in bfloat16, by tiles; see aggregation.py.

The optimal transport and the sums over patches are in float32. Its first iterations multiply with
exponentials of the logits.
"""

from __future__ import annotations

import math

import numpy as np

from fol_vpr.compiled import compiled
from fol_vpr.compiled_tiles import (
    LAYOUT,
    SIDE,
    TILE,
    TILE_BYTES,
    begin_tiles,
    end_tiles,
)
from fol_vpr.network.cpu.tiles.compiled_numbers import add_row, exponentials, store_relu
from fol_vpr.network.cpu.tiles.compiled_products import add_products, clear, store_block, supported
from fol_vpr.network.cpu.tiles.compiled_threads import COUNTERS, finish, take, wait

__all__ = ['COUNTERS', 'assign', 'compile_all', 'project', 'sum_up', 'supported']

# Bytes: of 32 rows of a panel, of a number of 32 and of 16 bits.
_PANEL, _WIDE, _NARROW = 2 * TILE_BYTES, 4, 2
_ONE, _LOG2E = np.float32(1), np.float32(math.log2(math.e))


@compiled
def project(
    inputs: np.ndarray,
    patches: int,
    first: tuple[np.ndarray, np.ndarray],
    features: tuple[np.ndarray, np.ndarray],
    scores: tuple[np.ndarray, np.ndarray],
    hidden: np.ndarray,
    block: np.ndarray,
    found_features: np.ndarray,
    found_scores: np.ndarray,
    counters: np.ndarray,
) -> None:
    """Do the jobs of both MLPs that no other thread does; return when all are done.

    Args:
        inputs: [R, C] uint16, bfloat16 of N patches, R is N rounded up to 32.
        patches: N.
        first: panels of the weights of the first layer of both, uint16, and bias, float32.
        features, scores: of the second layers.
        hidden: [32, 2 H + 32] uint16, of this thread; H hidden units of an MLP.
        block: [32, 32] float32, of this thread.
        found_features: [N, D] float32, set to the features.
        found_scores: [N, M] float32, set to the scores.
        counters: [1, COUNTERS] int64, zero before the first thread begins.
    """
    line, inner = inputs.shape[1] * _NARROW, hidden.shape[1] * _NARROW
    depth, units = inputs.shape[1] // SIDE, (hidden.shape[1] - SIDE) // 2
    blocks, shared = (patches + SIDE - 1) // SIDE, counters.ctypes.data
    across = SIDE * _WIDE
    begin_tiles(LAYOUT.ctypes.data)
    while True:
        job = take(shared)
        if job >= blocks:
            break
        rows = inputs.ctypes.data + job * SIDE * line
        for panel in range(2 * units // SIDE):
            at = first[0].ctypes.data + panel * depth * _PANEL
            clear()
            add_products(rows, line, SIDE * _NARROW, TILE * line, at, depth, True)
            store_block(block.ctypes.data, across, True)
            added = first[1].ctypes.data + panel * across
            for row in range(SIDE):
                to = hidden[row, panel * SIDE :].ctypes.data
                store_relu(block.ctypes.data + row * across, _ONE, added, to)
        height = min(SIDE, patches - job * SIDE)
        for which in range(2):
            (weights, bias), found = features, found_features
            if which == 1:
                (weights, bias), found = scores, found_scores
            rows = hidden[0, which * units :].ctypes.data
            for panel in range(found.shape[1] // SIDE):
                at = weights.ctypes.data + panel * (units // SIDE) * _PANEL
                clear()
                add_products(rows, inner, SIDE * _NARROW, TILE * inner, at, units // SIDE, True)
                store_block(block.ctypes.data, across, True)
                added = bias.ctypes.data + panel * across
                for row in range(height):
                    place = found[job * SIDE + row, panel * SIDE : (panel + 1) * SIDE]
                    place[:] = 0
                    add_row(block.ctypes.data + row * across, added, place.ctypes.data)
        finish(shared)
    wait(shared, blocks)
    end_tiles()


@compiled
def assign(
    scores: np.ndarray,
    dustbin: np.ndarray,
    iterations: int,
    largest_range: float,
    kernel: np.ndarray,
) -> bool:
    """Sinkhorn iterations with exponentials of the logits.

    Args:
        scores: [N, M] float32, logits; changed to the fractions.
        dustbin: [N] float32, logits.
        iterations: how many.
        largest_range: of the logits; beyond it, and where one is no number, nothing is changed.
        kernel: [N, W] float32, scratch; W is M + 1 rounded up to 32.

    Returns:
        Whether the fractions were computed.
    """
    patches, clusters = scores.shape
    width, columns = kernel.shape[1], clusters + 1
    low, high = min(scores.min(), dustbin.min()), max(scores.max(), dustbin.max())
    # What is no number would be lost in the comparisons of `min` and `max`.
    within = scores.max() - scores.min() <= largest_range
    within &= dustbin.max() - dustbin.min() <= largest_range
    if not (within and high - low <= largest_range):
        return False
    middle = np.float32((high + low) / 2) * _LOG2E
    for patch in range(patches):
        kernel[patch, :clusters] = scores[patch]
        kernel[patch, clusters] = dustbin[patch]
        kernel[patch, columns:] = 0
        row = kernel[patch].ctypes.data
        exponentials(row, _LOG2E, middle, width // SIDE, 0)
    share = np.float32(1) / np.float32(clusters + patches)
    u, sums, v = np.zeros(width, np.float32), np.empty(width, np.float32), np.ones(patches)
    for _ in range(iterations):
        sums[:] = 0
        for patch in range(patches):
            factor = np.float32(v[patch])
            for column in range(width):
                sums[column] += kernel[patch, column] * factor
        for column in range(columns):
            u[column] = share / sums[column]
        u[clusters] *= np.float32(patches - clusters)
        for patch in range(patches):
            total = np.float32(0)
            for column in range(width):
                total += kernel[patch, column] * u[column]
            v[patch] = share / total
    for patch in range(patches):
        factor = np.float32(v[patch]) / share
        for cluster in range(clusters):
            scores[patch, cluster] = kernel[patch, cluster] * u[cluster] * factor
    return True


@compiled
def sum_up(
    fractions: np.ndarray, features: np.ndarray, least: float, clusters: np.ndarray,
    found: np.ndarray,
) -> None:  # fmt: skip
    """Sum the features of the patches up for each cluster, and scale each sum to length 1.

    Args:
        fractions: [N, M] float32, of each patch in each cluster.
        features: [N, D] float32.
        least: lengths below it count as it.
        clusters: [M, D] float32, scratch.
        found: [D, M] float32.
    """
    count, width = clusters.shape
    clusters[...] = 0
    nothing = np.zeros(width, np.float32)
    for start in range(0, len(features), 4):
        left = len(features) - start
        one = features[start]
        two = features[start + 1] if left > 1 else nothing
        three = features[start + 2] if left > 2 else nothing
        four = features[start + 3] if left > 3 else nothing
        for cluster in range(count):
            a = fractions[start, cluster]
            b = fractions[start + 1, cluster] if left > 1 else np.float32(0)
            c = fractions[start + 2, cluster] if left > 2 else np.float32(0)
            d = fractions[start + 3, cluster] if left > 3 else np.float32(0)
            row = clusters[cluster]
            for index in range(width):
                row[index] += a * one[index] + b * two[index] + c * three[index] + d * four[index]
    for cluster in range(count):
        row, total = clusters[cluster], np.float32(0)
        for index in range(width):
            total += row[index] * row[index]
        factor = _ONE / max(np.sqrt(total), np.float32(least))
        for index in range(width):
            found[index, cluster] = row[index] * factor


def compile_all() -> None:
    """Compile what is above."""
    weights, bias = np.zeros(_PANEL, np.uint16), np.zeros(2 * SIDE, np.float32)
    numbers = [np.zeros((1, SIDE), np.float32) for _ in range(4)]
    project(
        np.zeros((SIDE, SIDE), np.uint16),
        1,
        (weights, bias),
        (weights, bias),
        (weights, bias),
        np.zeros((SIDE, 3 * SIDE), np.uint16),
        np.zeros((SIDE, SIDE), np.float32),
        numbers[0],
        numbers[1],
        np.zeros((1, COUNTERS), np.int64),
    )
    kernel = np.zeros((1, 2 * SIDE), np.float32)
    assign(numbers[1], np.zeros(1, np.float32), 1, 1.0, kernel)
    sum_up(
        numbers[1],
        numbers[0],
        1e-12,
        np.zeros((SIDE, SIDE), np.float32),
        np.zeros((SIDE, SIDE), np.float32),
    )
