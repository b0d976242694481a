"""The report of an evaluation as a page."""

from fol_vpr.reporting.evaluation.frames import FrameImages
from fol_vpr.reporting.evaluation.report import evaluation_page

__all__ = ['FrameImages', 'evaluation_page']
