"""A launch description with arguments that stay its own, and errors that say what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    GroupAction,
    OpaqueFunction,
    RegisterEventHandler,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration
from launch_ros.substitutions import ExecutableInPackage

from fol_vpr.errors import FolVprError
from fol_vpr.ros.launching.arguments import Argument
from fol_vpr.ros.launching.values import unused_names

REFUSAL_SECONDS = 1.0
"""Seconds until a wrong argument ends the launch. In launch 3.4 an error while launch files are
executed ends `ros2 launch` without the processes whose start it has not seen yet."""
Start = Callable[[LaunchContext, dict[str, str]], list]
STOP_SECONDS = '60'
"""Seconds that a process may take to end after Ctrl-C, before it is sent SIGTERM."""


def describe(file: str, arguments: Sequence[Argument], start: Start) -> LaunchDescription:
    """A launch description that declares arguments and starts something with their values.

    Defaults of the arguments, and whatever is set while it starts, do not reach what a parent
    launch file includes afterwards.

    Args:
        file: path of the launch file.
        arguments: of it.
        start: is given the context and the value of each argument, and returns the actions.
    """
    declared = [
        DeclareLaunchArgument(each.name, default_value=each.default, description=each.description)
        for each in arguments
    ]

    def perform(context: LaunchContext) -> list:
        names = [each.name for each in arguments]
        _warn_of_unused(context, file, names)
        given = {name: LaunchConfiguration(name).perform(context) for name in names}
        try:
            return start(context, given)
        except FolVprError as error:
            # Raised now, it would leave what the parent has just started running without a parent.
            refused = failure(f'{Path(file).name}: {error}')
            return [TimerAction(period=REFUSAL_SECONDS, actions=[refused])]

    return LaunchDescription([GroupAction([*declared, OpaqueFunction(function=perform)])])


def warn(text: str) -> None:
    """Write a warning to the log of launch."""
    get_logger('fol_vpr').warning(text)


def tell(text: str) -> None:
    """Write a line to the log of launch."""
    get_logger('fol_vpr').info(text)


def _warn_of_unused(context: LaunchContext, file: str, names: Sequence[str]) -> None:
    # `ros2 launch` ignores an argument that nobody declares.
    name = Path(file).name
    is_included = name not in {Path(word).name for word in sys.argv}
    given = [str(key) for key in context.launch_configurations]
    for unused, meant in unused_names(given, names, is_included=is_included):
        advice = f': did you mean {meant}:=?' if meant else ''
        warn(
            f'{name} has no argument {unused}, which is ignored{advice} '
            f'`ros2 launch fol_vpr {name} --show-args` lists them'
        )


# ---- commands of this package as steps


def command(verb: str, *words: object) -> ExecuteProcess:
    """A command of `fol_vpr` as a process, ended by Ctrl-C in its own time.

    Args:
        verb: such as `bag`.
        words: that follow it.
    """
    program = ExecutableInPackage(package='fol_vpr', executable='fol_vpr')
    return ExecuteProcess(
        cmd=[program, verb, *map(str, words)],
        name=f'fol_vpr_{verb}',
        output='screen',
        emulate_tty=False,
        sigterm_timeout=STOP_SECONDS,
    )


def when_done(process: ExecuteProcess, what: str, following: list) -> RegisterEventHandler:
    """Starts the next actions when a process has ended well, and ends the launch otherwise.

    Args:
        process: that is waited for.
        what: it does, for messages.
        following: actions.
    """

    def on_exit(event: object, context: LaunchContext) -> list:
        code = getattr(event, 'returncode', 0)
        if context.is_shutdown:
            return []
        if code:
            return [failure(f'{what} failed with exit code {code}; its messages are above')]
        return following

    return RegisterEventHandler(OnProcessExit(target_action=process, on_exit=on_exit))


def end_with(process: ExecuteProcess, what: str) -> RegisterEventHandler:
    """Ends the launch, with exit code 1, when a process ends that has to run on.

    Args:
        process: that has to run.
        what: it is, for messages.
    """

    def on_exit(event: object, context: LaunchContext) -> list:
        if context.is_shutdown:
            return []
        code = getattr(event, 'returncode', 0)
        return [failure(f'{what} has ended (exit code {code}), which ends this launch')]

    return RegisterEventHandler(OnProcessExit(target_action=process, on_exit=on_exit))


def failure(text: str) -> OpaqueFunction:
    """An action that ends the launch with exit code 1.

    An error is the only way: with the event Shutdown `ros2 launch` exits with 0.

    Args:
        text: the reason.
    """

    def fail(_context: LaunchContext) -> None:
        raise RuntimeError(text)

    return OpaqueFunction(function=fail)


def end(reason: str) -> EmitEvent:
    """An action that ends the launch with exit code 0."""
    return EmitEvent(event=Shutdown(reason=reason))
