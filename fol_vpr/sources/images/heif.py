"""HEIF images, the .heic files of phones, which the optional package pillow-heif decodes."""

from __future__ import annotations

import importlib

from fol_vpr.errors import InputError
from fol_vpr.versions import version_numbers

FORMAT = 'HEIF'
"""Pillow's name of the format, once `load_decoder` was called."""

_OLDEST = '1.8.1'
_BRANDS = (b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'mif1', b'msf1')


def is_heif(start: bytes) -> bool:
    """Whether a file is HEIF with HEVC by its first 12 bytes (ISO/IEC 23008-12)."""
    return start[4:8] == b'ftyp' and start[8:12] in _BRANDS


def load_decoder(what: str) -> None:
    """Let Pillow open HEIF, where its formats are named.

    Args:
        what: name of the image in the error message.

    Raises:
        InputError: pillow-heif is not installed, or a version that damaged files crash.
    """
    try:
        package = importlib.import_module('pillow_heif')
    except ImportError as error:
        raise InputError(
            f'{what} is HEIF, which needs the Python package pillow-heif, which is not installed '
            f'({error}): `pip install pillow-heif`, or convert the images to JPEG'
        ) from error
    if version_numbers(package.__version__) < version_numbers(_OLDEST):
        raise InputError(
            f'{what} is HEIF, which needs pillow-heif {_OLDEST} or newer, as damaged files end '
            f'the process in older ones, and {package.__version__} is installed: `pip install '
            '--upgrade pillow-heif`, or convert the images to JPEG'
        )
    package.register_heif_opener(thumbnails=False)
