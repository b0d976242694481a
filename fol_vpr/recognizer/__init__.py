"""The one path from an image to place hypotheses, offline and live."""

from fol_vpr.recognizer.feedback import FeedbackCounts
from fol_vpr.recognizer.loops import LoopStatus
from fol_vpr.recognizer.opening import open_map, network_config_from_map
from fol_vpr.recognizer.place_recognizer import PlaceRecognizer

__all__ = ['FeedbackCounts', 'LoopStatus', 'PlaceRecognizer', 'open_map', 'network_config_from_map']
