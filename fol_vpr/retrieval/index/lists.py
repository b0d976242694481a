"""The inverted lists of FAISS, from descriptors or from a file that is mapped.

FAISS's own file format is not used: reading a hostile one is not safe. What is kept is plain
arrays, from which the index is put together again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from fol_vpr.retrieval.index.cache import UnusableCacheError

# Dtype and dimensions of the arrays that an index consists of.
KINDS = {'lists': ('|u1', 1), 'sizes': ('<i8', 1), 'centroids': ('<f4', 2), 'trained': ('<f4', 1)}
# Vectors of the sample for each list that k-means places; below about 30 FAISS warns.
TRAINING_ROWS = 39


def list_count(references: int) -> int:
    """How many lists: four times the root of the references, where k-means has enough of them."""
    return max(1, min(round(4 * math.sqrt(references)), references // TRAINING_ROWS))


def train(sample: np.ndarray, lists: int, seed: int) -> Any:
    """An empty index whose lists and quantiser are learned from reduced references [S, d]."""
    index = _empty(sample.shape[1], lists)
    index.cp.seed = seed
    index.cp.min_points_per_centroid = 1
    index.train(np.ascontiguousarray(sample))
    return index


def _empty(dim: int, lists: int) -> Any:
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatL2(dim), dim, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_L2, True
    )
    # One query takes one core: sharing out its lists costs more than looking through them, and
    # much more where the network has the other cores.
    index.parallel_mode = 0
    return index


def arrays(index: Any) -> dict[str, Any]:
    """What an index consists of; `lists` are, one after the other, its codes and then its ids."""
    inverted = index.invlists
    sizes = np.array([inverted.list_size(number) for number in range(index.nlist)], np.int64)

    def pieces() -> Iterator[np.ndarray]:
        for number, size in enumerate(sizes.tolist()):
            if size:
                codes, ids = inverted.get_codes(number), inverted.get_ids(number)
                yield faiss.rev_swig_ptr(codes, size * index.code_size)
                yield faiss.rev_swig_ptr(ids, size).view(np.uint8)

    centroids = faiss.downcast_index(index.quantizer).reconstruct_n(0, index.nlist)
    trained = faiss.vector_to_array(index.sq.trained).astype(np.float32)
    return {'lists': pieces(), 'sizes': sizes, 'centroids': centroids, 'trained': trained}


def mapped(path: Path, found: dict[str, np.ndarray], references: int) -> tuple[Any, np.ndarray]:
    """An index over the lists in a file, read-only.

    Args:
        path: the file, at whose beginning `lists` is.
        found: arrays as `arrays` gives them, of the `KINDS`.
        references: how many ids there are; each must be in one list, or in none.

    Returns:
        The index, and its ids, ascending.

    Raises:
        UnusableCacheError: the arrays do not fit each other.
    """
    centroids, sizes, trained = found['centroids'], found['sizes'], found['trained']
    if 0 in centroids.shape or sizes.shape != (len(centroids),):
        raise UnusableCacheError('its lists and their centres do not fit each other')
    index = _empty(centroids.shape[1], len(centroids))
    if trained.shape != (2 * index.d,) or not np.isfinite(trained).all():
        raise UnusableCacheError('its quantiser is of another dimension')
    if not np.isfinite(centroids).all():
        raise UnusableCacheError('its centres are not finite')
    ids = _ids(found['lists'], sizes, index.code_size, references)
    index.quantizer.add(np.ascontiguousarray(centroids))
    faiss.copy_array_to_vector(np.ascontiguousarray(trained), index.sq.trained)
    index.is_trained, index.ntotal = True, len(ids)
    inverted = faiss.OnDiskInvertedLists()
    inverted.nlist, inverted.code_size = index.nlist, index.code_size
    inverted.filename, inverted.read_only = str(path), True
    inverted.totsize = len(found['lists'])
    # Or every search starts up to 32 threads to read ahead what is in the page cache already.
    inverted.prefetch_nthread = 0
    inverted.lists.resize(index.nlist)
    lengths = np.ascontiguousarray(sizes)
    inverted.set_all_lists_sizes(faiss.swig_ptr(lengths.view(np.uint64)))
    try:
        inverted.do_mmap()
    except RuntimeError as error:
        raise UnusableCacheError(f'it cannot be mapped: {error}') from error
    _own(index, inverted)
    return index, ids


def _own(index: Any, inverted: Any) -> None:
    inverted.this.disown()
    index.replace_invlists(inverted, True)


def _ids(lists: np.ndarray, sizes: np.ndarray, code_size: int, references: int) -> np.ndarray:
    """All ids in the lists, ascending, after a look at each."""
    if (sizes < 0).any() or (sizes > references).any():
        raise UnusableCacheError('the sizes of its lists make no sense')
    ends = np.cumsum(sizes * (code_size + 8))
    if int(ends[-1]) != len(lists):
        raise UnusableCacheError('its lists are longer or shorter than it says')
    parts = [
        np.frombuffer(lists[end - 8 * size : end].tobytes(), '<i8')
        for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)
    ]
    ids = np.sort(np.concatenate(parts))
    if len(ids) and (ids[0] < 0 or ids[-1] >= references or (np.diff(ids) == 0).any()):
        raise UnusableCacheError('its lists hold references that it does not have')
    return ids


def to_memory(index: Any, new_ids: np.ndarray | None = None) -> None:
    """Copy the lists of an index from a file to memory, so that they can change.

    Args:
        index: as `mapped` gives it.
        new_ids: [references] int64, the id that each one has from now on, or -1 to leave it out;
            None leaves all as they are.
    """
    old = index.invlists
    inverted = faiss.ArrayInvertedLists(index.nlist, index.code_size)
    total = 0
    for number in range(index.nlist):
        size = old.list_size(number)
        if not size:
            continue
        codes = faiss.rev_swig_ptr(old.get_codes(number), size * index.code_size)
        ids = faiss.rev_swig_ptr(old.get_ids(number), size)
        codes = codes.reshape(size, index.code_size)
        if new_ids is not None:
            ids = new_ids[ids]
            codes = codes[ids >= 0]
            ids = ids[ids >= 0]
        codes, ids = np.ascontiguousarray(codes), np.ascontiguousarray(ids)
        total += len(ids)
        if len(ids):
            inverted.add_entries(number, len(ids), faiss.swig_ptr(ids), faiss.swig_ptr(codes))
    _own(index, inverted)
    index.ntotal = total
