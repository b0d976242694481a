"""Loop closures within the running drive and against the map, and the session that records it."""

from fol_vpr.loop_closure.detector import LoopClosureDetector, LoopStatus
from fol_vpr.loop_closure.distance import DistanceTracker
from fol_vpr.loop_closure.feedback import FeedbackCounts
from fol_vpr.loop_closure.publication import ClosureGate, LoopCandidate, Threshold
from fol_vpr.loop_closure.recorder import SessionMaker, SessionRecorder

__all__ = [
    'ClosureGate',
    'DistanceTracker',
    'FeedbackCounts',
    'LoopCandidate',
    'LoopClosureDetector',
    'LoopStatus',
    'SessionMaker',
    'SessionRecorder',
    'Threshold',
]
