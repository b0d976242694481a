"""Names of coordinate frames."""

from __future__ import annotations

from fol_vpr.errors import escape_controls


def bare_frame(frame_id: object) -> str:
    """The name of a frame without leading slashes, which ROS 1 wrote: `/map` is `map`.

    This is the rule of tf2, which strips the slash where it stores a transform. Every name of a
    frame passes through this function where it comes in: from messages, files and settings.
    Control characters are escaped, since names are printed and logged.
    """
    return escape_controls(str(frame_id).lstrip('/'), keep='')
