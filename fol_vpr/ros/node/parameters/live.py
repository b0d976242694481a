"""The parameters of the running node: as they were set, and as its recognizer goes by them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter

from fol_vpr.errors import InputError
from fol_vpr.ros.node.parameters.declaration import (
    checked,
    declare_parameters,
    misnamed_parameters,
    read_parameters,
)
from fol_vpr.ros.node.parameters.settings import Settings

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.ros.node.lifecycle import Localizer


class LiveSettings:
    """Declares the parameters, checks changes, and hands them on; may be asked from any thread.

    Args:
        node: that has them.

    Raises:
        InputError: one was given a value that it does not allow.
    """

    def __init__(self, node: Localizer) -> None:
        self._node = node
        declare_parameters(node)
        if misnamed := misnamed_parameters(node):
            node.get_logger().warning(
                f'ignored, as there are no such parameters: {", ".join(misnamed)}; '
                '`localizer --help` says where they are listed'
            )
        self.now = self._applied = read_parameters(node)
        self._applying = threading.Lock()
        self._own_change = False
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._take)

    def read(self) -> Settings:
        """The settings as the parameters have them, without what a map overruled before."""
        return read_parameters(self._node)

    def begin(self, settings: Settings) -> None:
        """Go by settings that a recognizer is about to be made with."""
        self.now = self._applied = settings

    def apply(self, recognizer: PlaceRecognizer) -> Settings:
        """Hand the settings to the recognizer, where they were changed; the settings."""
        with self._applying:
            settings = self.now
            if settings.recognizer != self._applied.recognizer:
                recognizer.set_config(settings.recognizer)
            self._applied = settings
        return settings

    def name_map(self, path: str) -> None:
        """Let the parameter `map` say what was loaded, which nobody else may change then."""
        self._own_change = True
        self._node.set_parameters([Parameter('map', value=path)])
        self._own_change = False

    def _check(self, changes: Sequence[Parameter]) -> SetParametersResult:
        configured = self._node.recognizer is not None and not self._own_change
        try:
            checked(self.now, changes, configured=configured)
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _take(self, _changes: Sequence[Parameter]) -> None:
        # Whoever answers the next image hands them to the recognizer.
        self.now = read_parameters(self._node)
