"""HEIF images, the .heic files of phones, which the optional package pi-heif decodes."""

from __future__ import annotations

import importlib

from fol_vpr.errors import InputError

FORMAT = 'HEIF'
"""Pillow's name of the format, once `load_decoder` was called."""

_BRANDS = (b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'mif1', b'msf1')


def is_heif(start: bytes) -> bool:
    """Whether a file is HEIF with HEVC by its first 12 bytes (ISO/IEC 23008-12)."""
    return start[4:8] == b'ftyp' and start[8:12] in _BRANDS


def load_decoder(what: str) -> None:
    """Let Pillow open HEIF, where its formats are named.

    Args:
        what: name of the image in the error message.

    Raises:
        InputError: pi-heif is not installed.
    """
    try:
        importlib.import_module('pi_heif').register_heif_opener(thumbnails=False)
    except ImportError as error:
        raise InputError(
            f'{what} is HEIF, which needs the Python package pi-heif, which is not installed '
            f'({error}): `pip install pi-heif`, or convert the images to JPEG'
        ) from error
