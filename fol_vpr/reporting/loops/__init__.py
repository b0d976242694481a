"""The loop closures of a recorded drive: as a table, as JSON, as a picture and as a page."""

from fol_vpr.reporting.loops.page import closures_page
from fol_vpr.reporting.loops.picture import draw_closures
from fol_vpr.reporting.loops.result import CAMERA_FRAME, COLUMNS, LoopsResult

__all__ = ['CAMERA_FRAME', 'COLUMNS', 'LoopsResult', 'closures_page', 'draw_closures']
