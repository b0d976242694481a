"""The parameters of the running node, and handing changes of them to the recognizer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from fol_vpr.config import OF_THE_MAP, RecognizerConfig, settings_of
from fol_vpr.errors import InputError
from fol_vpr.ros.node.parameters.declaration import (
    declare_parameters,
    misnamed_parameters,
    read_parameters,
    settings_after,
    with_typed_arrays,
)
from fol_vpr.ros.node.parameters.settings import Settings

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer


class LiveSettings:
    """Declares the parameters, checks changes, and applies them; safe to use from any thread.

    Args:
        node: that has the parameters.
        is_configured: whether the node is configured, while some parameters cannot change.

    Raises:
        InputError: a parameter was given a value of another type, or one that it does not allow.
        ParameterException: a parameter was given a value outside its range.

    Attributes:
        current: the settings now.
    """

    def __init__(self, node: Node, is_configured: Callable[[], bool]) -> None:
        self._node = node
        self._is_configured = is_configured
        declare_parameters(node)
        if misnamed := misnamed_parameters(node):
            node.get_logger().warning(
                f'ignored, as there are no such parameters: {", ".join(misnamed)}; '
                '`localizer --help` says where they are listed'
            )
        self._given = set(node._parameter_overrides)
        self.current = self._applied = read_parameters(node)
        self._applying = threading.Lock()
        self._setting_map = self._showing = False
        node.add_pre_set_parameters_callback(with_typed_arrays)
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._on_changed)

    def read(self) -> Settings:
        """The settings by the parameters, without those that the previous map replaced."""
        return read_parameters(self._node)

    def begin(self, settings: Settings) -> None:
        """Start from settings with which a recognizer is about to be made."""
        self.current = self._applied = settings

    def apply(self, recognizer: PlaceRecognizer) -> Settings:
        """Hand the settings to the recognizer if they have changed; returns the settings."""
        with self._applying:
            settings = self.current
            if settings.recognizer != self._applied.recognizer:
                before = recognizer.map_status.calibration_problem
                recognizer.set_config(self.recognizer_config(settings))
                problem = recognizer.map_status.calibration_problem
                if problem and problem != before:
                    self._node.get_logger().warning(problem)
            self._applied = settings
        return settings

    def recognizer_config(self, settings: Settings) -> RecognizerConfig:
        """The settings of the recognizer, which takes from its map those that nobody gave.

        Given are the parameters that a parameter file, the command line or a launch file named,
        and those that were set while the node runs.
        """
        scale = '' if settings.node.scale == 'auto' else settings.node.scale
        return replace(settings.recognizer, scale=scale, given=frozenset(self._given))

    def show(self, config: RecognizerConfig) -> None:
        """Set the parameters that nobody gave to the values in use, which the map may bring."""
        changes = [
            Parameter(name, value=value)
            for name, value in settings_of(config, sorted(OF_THE_MAP - self._given)).items()
            if self._node.get_parameter(name).value != value
        ]
        if changes:
            self._showing = True
            try:
                self._node.set_parameters(changes)
            finally:
                self._showing = False

    def set_map(self, path: str) -> None:
        """Set the parameter `map` to the map that was loaded; users cannot while configured."""
        self._setting_map = True
        self._node.set_parameters([Parameter('map', value=path)])
        self._setting_map = False

    def _check(self, changes: Sequence[Parameter]) -> SetParametersResult:
        configured = self._is_configured() and not self._setting_map
        try:
            settings_after(self.current, changes, configured=configured)
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _on_changed(self, changes: Sequence[Parameter]) -> None:
        if not self._showing:
            self._given.update(change.name for change in changes)
        # `apply` hands them to the recognizer before the next image.
        self.current = read_parameters(self._node)
