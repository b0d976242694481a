"""Pictures of answers and of what the network looks at, as RGB arrays."""

from fol_vpr.pictures.answer import Truth, answer_picture, match_picture
from fol_vpr.pictures.images import check_suffix, jpeg_of, write_picture

__all__ = ['Truth', 'answer_picture', 'check_suffix', 'jpeg_of', 'match_picture', 'write_picture']
