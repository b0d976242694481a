"""The map file: one SQLite database that holds everything a map is made of."""

from fol_vpr.database.check import check_map
from fol_vpr.database.codecs import CODECS, Codec
from fol_vpr.database.editor import MapEditor, UnknownNameError
from fol_vpr.database.reader import MapReader, read_info
from fol_vpr.database.records import Record
from fol_vpr.database.schema import APPLICATION_ID, SCHEMA_VERSION, MapHeader
from fol_vpr.database.writer import MapWriter

__all__ = [
    'APPLICATION_ID',
    'CODECS',
    'SCHEMA_VERSION',
    'Codec',
    'MapEditor',
    'MapHeader',
    'MapReader',
    'MapWriter',
    'Record',
    'UnknownNameError',
    'check_map',
    'read_info',
]
