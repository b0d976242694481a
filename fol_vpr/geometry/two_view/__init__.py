"""Geometric verification of image pairs: epipolar geometry, homography and relative pose."""
