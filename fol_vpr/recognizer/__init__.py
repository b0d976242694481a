"""The one path from an image to place hypotheses, offline and live."""

from fol_vpr.recognizer.feedback import FeedbackCounts
from fol_vpr.recognizer.loops import LoopStatus
from fol_vpr.recognizer.opening import open_map, recorded_network
from fol_vpr.recognizer.place_recognizer import PlaceRecognizer

__all__ = ['FeedbackCounts', 'LoopStatus', 'PlaceRecognizer', 'open_map', 'recorded_network']
