"""Loop closures within the running drive and against the map, and the session that records it."""

from fol_vpr.loop_closure.detector import LoopClosureDetector, LoopStatus
from fol_vpr.loop_closure.diagnosis import LoopDiagnosis, LoopOutcome
from fol_vpr.loop_closure.distance import DistanceTracker
from fol_vpr.loop_closure.feedback import FeedbackCounts
from fol_vpr.loop_closure.publication import AdaptiveThreshold, LoopCandidate, PublicationPolicy
from fol_vpr.loop_closure.recorder import SessionRecorder

__all__ = [
    'AdaptiveThreshold',
    'DistanceTracker',
    'FeedbackCounts',
    'LoopCandidate',
    'LoopClosureDetector',
    'LoopDiagnosis',
    'LoopOutcome',
    'LoopStatus',
    'PublicationPolicy',
    'SessionRecorder',
]
