"""Pictures of answers and of what the network looks at, as RGB arrays."""

from fol_vpr.pictures.answer import (
    NO_CALIBRATION,
    Truth,
    answer_picture,
    match_picture,
    pair_with_legend,
)
from fol_vpr.pictures.explanation import explanation_picture, mask_panel
from fol_vpr.pictures.images import check_suffix, decoded, fitted, jpeg_of, write_picture
from fol_vpr.pictures.mask_figures import mask_figures

__all__ = [
    'NO_CALIBRATION',
    'Truth',
    'answer_picture',
    'check_suffix',
    'decoded',
    'explanation_picture',
    'fitted',
    'jpeg_of',
    'mask_figures',
    'mask_panel',
    'match_picture',
    'pair_with_legend',
    'write_picture',
]
