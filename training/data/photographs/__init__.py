"""Places of photographs in public repositories, at pinned commits and with their licences.

`sources.csv` names the repositories, `images.csv` what is made of their files. No photograph is in
this folder; a command writes the places: `python -m training photographs`.
"""

from training.data.photographs.clones import commands
from training.data.photographs.places import read_sources, write_photographs

__all__ = ['commands', 'read_sources', 'write_photographs']
