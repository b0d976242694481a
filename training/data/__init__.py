"""Images of places, from wherever they are, as batches to learn from and sets to validate on."""

from training.data.batches import MAX_IMAGES, Batch
from training.data.loading import PlacesData
from training.data.opening import open_places, open_validation, open_validation_sets
from training.data.validation import ValidationSet

__all__ = [
    'MAX_IMAGES',
    'Batch',
    'PlacesData',
    'ValidationSet',
    'open_places',
    'open_validation',
    'open_validation_sets',
]
