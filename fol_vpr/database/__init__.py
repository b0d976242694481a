"""The map file: one SQLite database that holds all data of a map."""

from fol_vpr.database.editor import MapEditor
from fol_vpr.database.format.codecs import CODECS, Codec
from fol_vpr.database.format.records import PlaceRecord
from fol_vpr.database.format.schema import APPLICATION_ID, FEEDBACK, SCHEMA_VERSION, MapHeader
from fol_vpr.database.reader import MapReader, read_info
from fol_vpr.database.storage.hits import HitCounter, read_hits
from fol_vpr.database.storage.store import Store
from fol_vpr.database.tools.check import check_map
from fol_vpr.database.tools.folder_export import export_map
from fol_vpr.database.tools.folder_import import import_map
from fol_vpr.database.tools.merge import merge_maps
from fol_vpr.database.tools.prune import prune_map, redundant_places
from fol_vpr.database.tools.repair import Repair, can_be_repaired, repair_map
from fol_vpr.database.tools.split import Region, split_by_region, split_by_session
from fol_vpr.database.writer import MapWriter

__all__ = [
    'APPLICATION_ID',
    'CODECS',
    'FEEDBACK',
    'SCHEMA_VERSION',
    'Codec',
    'HitCounter',
    'MapEditor',
    'MapHeader',
    'MapReader',
    'MapWriter',
    'PlaceRecord',
    'Region',
    'Repair',
    'Store',
    'can_be_repaired',
    'check_map',
    'export_map',
    'import_map',
    'merge_maps',
    'prune_map',
    'read_hits',
    'read_info',
    'redundant_places',
    'repair_map',
    'split_by_region',
    'split_by_session',
]
