"""A page that shows what a map holds and covers."""

from fol_vpr.reporting.maps.facts import MapFacts
from fol_vpr.reporting.maps.page import map_page

__all__ = ['MapFacts', 'map_page']
