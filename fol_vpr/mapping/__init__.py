"""Maps: built from a source of frames, loaded, searched, and grown while they are in use."""

from fol_vpr.mapping.build import build_map, map_header
from fol_vpr.mapping.candidate_matcher import CandidateMatcher, make_hypothesis
from fol_vpr.mapping.free_path import free_path, map_path_in_folder
from fol_vpr.mapping.keyframes import DriveKeyframes, KeyframeSelector
from fol_vpr.mapping.live import LiveMap
from fol_vpr.mapping.memory import MemoryPlan, plan_memory
from fol_vpr.mapping.overview import Gap, MapOverview, SessionOverview, stamp_in_words

__all__ = [
    'CandidateMatcher',
    'DriveKeyframes',
    'Gap',
    'KeyframeSelector',
    'LiveMap',
    'MapOverview',
    'MemoryPlan',
    'SessionOverview',
    'build_map',
    'free_path',
    'make_hypothesis',
    'map_header',
    'map_path_in_folder',
    'plan_memory',
    'stamp_in_words',
]
