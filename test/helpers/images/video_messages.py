"""The message packages of video, built from their fields where they are not installed."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import pytest
from helpers.back_ends.message_packages import build_package, installed, missing_generators

from fol_vpr.sources.images.video.packets import VIDEO_DEFINITIONS

_DEPENDENCIES = {
    'ffmpeg_image_transport_msgs': ['std_msgs'],
    'foxglove_msgs': ['builtin_interfaces'],
}


@contextlib.contextmanager
def message_class(msgtype: str) -> Iterator[type]:
    """The class of a type, importable for the length of a block."""
    package, _, name = msgtype.partition('/msg/')
    found = installed(package)
    before = list(sys.path)
    if found is None:
        if reason := missing_generators():
            pytest.skip(reason)
        definition = {f'msg/{name}.msg': VIDEO_DEFINITIONS[msgtype]}
        found = build_package(package, definition, _DEPENDENCIES[package])
    found.load()
    try:
        module = __import__(f'{package}.msg', fromlist=[name])
        yield getattr(module, name)
    finally:
        sys.path[:] = before
        for loaded in [each for each in sys.modules if each.split('.')[0] == package]:
            del sys.modules[loaded]
