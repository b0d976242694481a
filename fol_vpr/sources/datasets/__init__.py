"""Public data sets as they lie on the disk, as sources of frames with poses and times."""

from fol_vpr.sources.datasets.images import DatasetImages
from fol_vpr.sources.datasets.places import frame_number
from fol_vpr.sources.datasets.registry import READERS, VARIANTS, open_dataset, recognise

__all__ = [
    'READERS',
    'VARIANTS',
    'DatasetImages',
    'frame_number',
    'open_dataset',
    'recognise',
]
