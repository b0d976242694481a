"""Learns, from drives through a map, how probable its answers are."""

from fol_vpr.calibration.drives import Drive, Example, check_other_drive, collect
from fol_vpr.calibration.fit import Fitted, fit
from fol_vpr.calibration.storing import store

__all__ = ['Drive', 'Example', 'Fitted', 'check_other_drive', 'collect', 'fit', 'store']
