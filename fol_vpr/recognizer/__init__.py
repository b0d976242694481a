"""The one path from an image to place hypotheses, offline and live."""

from fol_vpr.recognizer.opening import network_config_from_map, open_map
from fol_vpr.recognizer.place_recognizer import PlaceRecognizer

__all__ = ['PlaceRecognizer', 'network_config_from_map', 'open_map']
