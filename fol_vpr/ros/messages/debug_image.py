"""The debug image: the query beside the best reference, with their local matches."""

from __future__ import annotations

from fol_vpr.datatypes import Frame, Recognition
from fol_vpr.pictures import jpeg_of, match_picture

JPEG_QUALITY = 80


def render_match(
    frame: Frame, recognition: Recognition, reference_jpeg: bytes | None, height: int
) -> bytes:
    """JPEG of the query (left), the best reference (right), their local matches and scores.

    Args:
        frame: the query.
        recognition: the answer to it.
        reference_jpeg: image of the best reference, None if the map stores none.
        height: of both images in pixels.

    Raises:
        InputError: the image is too large for JPEG.
    """
    picture = match_picture(frame.image, recognition, reference_jpeg, height)
    return jpeg_of(picture, JPEG_QUALITY)
