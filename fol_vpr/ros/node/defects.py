"""The log entry for an error that a defect of fol_vpr causes."""

from __future__ import annotations

import traceback

from rclpy.node import Node


def report_defect(node: Node, what: str, error: BaseException) -> None:
    """Log an error that no input should be able to cause, with its traceback.

    Args:
        node: whose log is written.
        what: what failed, as the beginning of a sentence.
        error: the error.
    """
    trace = ''.join(traceback.format_exception(error))
    node.get_logger().error(f'{what}; please report this defect:\n{trace}')
