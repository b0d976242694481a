"""Verbs that need ROS 2."""

from __future__ import annotations

import importlib
from typing import Any

from fol_vpr.errors import FolVprError


def needs_ros(module: str) -> Any:
    """Import a module of fol_vpr.ros.

    Raises:
        FolVprError: ROS 2 or the built workspace cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise FolVprError(
            f'this needs ROS 2 and the built workspace ({error}): '
            'source install/setup.bash first, or run `make setup`'
        ) from error
