"""The one path from an image to place hypotheses, offline and live."""

from fol_vpr.recognizer.opening import (
    MapDescription,
    describe_map,
    network_config_from_map,
    open_map,
)
from fol_vpr.recognizer.place_recognizer import PlaceRecognizer

__all__ = [
    'MapDescription',
    'PlaceRecognizer',
    'describe_map',
    'network_config_from_map',
    'open_map',
]
