"""Geometric verification of one hypothesis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Camera, LocalFeatures, PlaceHypothesis, Verification
from fol_vpr.retrieval import mutual_matches, unit_rows
from fol_vpr.verification import fits, verify_pair


def verified(
    hypothesis: PlaceHypothesis,
    query: LocalFeatures,
    size: tuple[int, int],
    reference: LocalFeatures,
    pairs: np.ndarray | None,
    *,
    config: VerificationConfig,
    threshold: float,
    device: str,
    camera: Camera | None = None,
) -> PlaceHypothesis:
    """A hypothesis with its geometric verification.

    Args:
        query: local features as the codec of the reference prepares them.
        size: width and height of the query in pixels.
        reference: local features of the hypothesis' place.
        pairs: [K, 2] matches of these features, where they are known.
        threshold: least cosine of a match, as the codec wants it.
        device: where features are matched.
        camera: of the query, where it is known.
    """
    if pairs is None:
        pairs = mutual_matches(query.descriptors, reference.descriptors, threshold, device=device)
    query_xy = query.positions[pairs[:, 0]]
    reference_xy = reference.positions[pairs[:, 1]]
    ours, theirs = query.descriptors[pairs[:, 0]], reference.descriptors[pairs[:, 1]]
    place = hypothesis.place
    geometry = verify_pair(
        query_xy,
        reference_xy,
        size,
        place.image_size,
        config,
        query_camera=usable(camera, size),
        reference_camera=usable(place.camera, place.image_size),
        likeness=np.einsum('kc,kc->k', unit_rows(ours), unit_rows(theirs)),
    )
    passed = Verification.LOCAL if geometry.matches else Verification.NONE
    return replace(
        hypothesis,
        inliers=geometry.inliers,
        regions=geometry.regions,
        verification=Verification.GEOMETRY if geometry.verified else passed,
        query_xy=query_xy,
        reference_xy=reference_xy,
    )


def usable(camera: Camera | None, size: tuple[int, int]) -> Camera | None:
    """The camera, or None where it is not one of images of this shape."""
    return camera if camera is not None and fits(camera, size) else None
