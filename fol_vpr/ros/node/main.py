"""The program `localizer`: runs the node until SIGINT or SIGTERM."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fol_vpr.errors import InputError
from fol_vpr.openmp import wait_briefly

if TYPE_CHECKING:
    from rclpy.executors import SingleThreadedExecutor

    from fol_vpr.ros.node.lifecycle import Localizer

# Seconds for the running callback, and for leaving the ROS graph. A stop signal must end the
# process within two seconds, whatever is being computed.
SPIN_TIMEOUT = 0.3
TEARDOWN_TIMEOUT = 1.0
USAGE = """\
usage: localizer [--ros-args [-p NAME:=VALUE ...] [-r TOPIC:=TOPIC ...] [--params-file FILE]]

The ROS 2 node that recognizes places: it finds for each camera image the places of a map that it
may show.

  localizer --ros-args -p map:=campus.folmap -p autostart:=true \\
      -r image:=/camera/image_raw -r image/compressed:=/camera/image_raw/compressed

All parameters are explained in config/localizer.yaml and docs/reference/parameters.md, topics and
services in docs/reference/interfaces.md. Without `autostart` the node waits for a lifecycle
manager.
"""


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM.

    Args:
        args: the command line; that of the process by default.

    Returns:
        The exit status, 2 for wrong arguments or parameters. After a run the process ends here,
        with the status 0, or 1 where a map that the node built is not saved as one file.
    """
    wait_briefly()
    arguments = list(sys.argv if args is None else args)
    if {'-h', '--help'} & set(arguments):
        sys.stdout.write(USAGE)
        return 0
    stop_signal = _catch_stop_signals()
    # From here on a signal is kept until the loop below reads it, also during these imports.
    import rclpy
    from rclpy.exceptions import ParameterException
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.logging import get_logger
    from rclpy.signals import SignalHandlerOptions
    from rclpy.utilities import remove_ros_args

    from fol_vpr.files import printable
    from fol_vpr.ros.node.lifecycle import Localizer
    from fol_vpr.ros.node.parameters.given import ineffective_parameters
    from fol_vpr.ros.shared_memory import remove_dead_segments
    from fol_vpr.ros.watchdog import exit_after

    segments, size = remove_dead_segments()
    try:
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:
        return _misuse(str(error))
    if unknown := remove_ros_args(arguments)[0 if args is not None else 1 :]:
        rclpy.shutdown()
        return _misuse(f'{" ".join(unknown)} stands before --ros-args')
    try:
        node = Localizer()
    except (InputError, ParameterException) as error:
        get_logger('localizer').fatal(f'wrong parameter: {error}')
        rclpy.shutdown()
        return 2
    for text in ineffective_parameters(node, arguments):
        node.get_logger().warning(printable(text, 2000))
    if segments:
        node.get_logger().info(
            f'removed the shared memory of {segments} ended processes of this user '
            f'({size / 2**20:.0f} MiB in /dev/shm)'
        )
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    stop = threading.Event()
    spinner = threading.Thread(target=_spin, args=(executor, node, stop), name='spin', daemon=True)
    spinner.start()
    # This thread only waits: no computation delays its reaction to a signal.
    while spinner.is_alive() and not select.select([stop_signal], [], [], 0.5)[0]:
        pass
    # Whoever waits for a service gets an answer, as far as the executor is free to send it.
    node.node_context.calls.refuse_all()
    node.node_context.calls.wait_answered(SPIN_TIMEOUT)
    stop.set()
    executor.wake()
    spinner.join(SPIN_TIMEOUT)
    node.close()
    # Saving a map that was built takes its time; a second signal ends it.
    if _is_readable(stop_signal):
        os.read(stop_signal, 4096)
    status = 1 - node.finish_mapping(lambda: _is_readable(stop_signal))
    if not spinner.is_alive():
        with exit_after(TEARDOWN_TIMEOUT, status):
            executor.shutdown()
            node.destroy_node()
            rclpy.shutdown()
            # It waits for calls that use the recognizer, and removes a temporary session file.
            node.free()
    sys.stdout.flush()
    sys.stderr.flush()
    # Python would wait for a forward pass or the loading of a map, which cannot be interrupted,
    # and needs up to two seconds to unload torch. Nothing is lost: changes of the map that a
    # service has confirmed are on the disk, and unfinished ones are undone.
    os._exit(status)


def _misuse(what: str) -> int:
    """Print what is wrong with the arguments; returns the exit status."""
    sys.stderr.write(
        f'localizer: the arguments cannot be read: {what}. A parameter is given as '
        f'-p NAME:=VALUE, another topic as -r TOPIC:=TOPIC, both behind --ros-args\n\n{USAGE}'
    )
    return 2


def _catch_stop_signals() -> int:
    """Returns a file descriptor that becomes readable after SIGINT or SIGTERM.

    It replaces the handlers of rclpy, which invalidate the context while callbacks use it, and
    those of Python, which raise KeyboardInterrupt at any point of the shutdown.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    return reader


def _is_readable(handle: int) -> bool:
    return bool(select.select([handle], [], [], 0)[0])


def _spin(executor: SingleThreadedExecutor, node: Localizer, stop: threading.Event) -> None:
    from rclpy.executors import ExternalShutdownException

    from fol_vpr.ros.node.defects import report_defect

    while not stop.is_set():
        try:
            executor.spin_once(timeout_sec=0.25)
        except ExternalShutdownException:
            stop.set()
        except Exception as error:  # noqa: BLE001 one bad message must not end the node
            report_defect(node, 'a callback failed', error)
            stop.wait(0.1)


if __name__ == '__main__':
    sys.exit(main())
