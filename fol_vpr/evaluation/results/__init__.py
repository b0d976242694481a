"""The document that an evaluation leaves behind: everything that a reader needs, as one JSON.

`fol_vpr evaluate --json` writes it; reports and comparisons read it.
"""

from fol_vpr.evaluation.results.document import (
    FORMAT,
    FORMAT_VERSION,
    MapFile,
    References,
    Result,
    Settings,
)
from fol_vpr.evaluation.results.provenance import Machine, Provenance
from fol_vpr.evaluation.results.reading import read_result

__all__ = [
    'FORMAT',
    'FORMAT_VERSION',
    'Machine',
    'MapFile',
    'Provenance',
    'References',
    'Result',
    'Settings',
    'read_result',
]
