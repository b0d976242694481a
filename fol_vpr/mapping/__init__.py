"""Maps in the making: built from a source, and grown while they are in use."""

from fol_vpr.mapping.build import build_map
from fol_vpr.mapping.live import LiveMap
from fol_vpr.mapping.memory import MemoryPlan, plan_memory
from fol_vpr.mapping.session import SessionRecorder, SessionMaker
from fol_vpr.mapping.travel import DistanceTracker

__all__ = [
    'LiveMap',
    'MemoryPlan',
    'SessionRecorder',
    'SessionMaker',
    'DistanceTracker',
    'build_map',
    'plan_memory',
]
