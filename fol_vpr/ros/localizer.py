"""The program `localizer`: runs the node until it is told to stop."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from fol_vpr.errors import InputError
from fol_vpr.ros.node import Localizer

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Seconds for the callback at hand. A stop signal has to end the process within two, whatever is
# being computed.
SPIN_END = 0.5


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; the exit status."""
    # Blocked in all threads and waited for in this one, instead of handled: rclpy's handlers
    # invalidate the context under whatever is running, and Python's raise KeyboardInterrupt
    # somewhere in the shutdown.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    rclpy.init(
        args=None if args is None else list(args), signal_handler_options=SignalHandlerOptions.NO
    )
    try:
        node = Localizer()
    except (InputError, ParameterException) as error:
        rclpy.logging.get_logger('localizer').fatal(f'wrong parameter: {error}')
        rclpy.shutdown()
        return 2
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    stop = threading.Event()
    spinner = threading.Thread(target=_spin, args=(executor, node, stop), name='spin', daemon=True)
    spinner.start()
    while spinner.is_alive() and signal.sigtimedwait(STOP_SIGNALS, 0.5) is None:
        pass
    stop.set()
    executor.wake()
    spinner.join(SPIN_END)
    node.close()
    if not spinner.is_alive():
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    # Python would wait for a forward pass or the loading of a map, which cannot be interrupted,
    # and takes up to two seconds to take torch apart. Nothing is lost: maps are only read here.
    os._exit(0)


def _spin(executor: SingleThreadedExecutor, node: Localizer, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            executor.spin_once(timeout_sec=0.25)
        except ExternalShutdownException:
            stop.set()
        except Exception as error:  # noqa: BLE001 nor a message that cannot be read
            node.report_defect('a callback failed', error)
            stop.wait(0.1)


if __name__ == '__main__':
    sys.exit(main())
