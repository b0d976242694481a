"""Geometric verification of two images: epipolar geometry, homographies and relative pose."""
