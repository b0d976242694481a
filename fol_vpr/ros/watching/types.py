"""Message types by name, and whether two machines mean the same by a name."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from rclpy.topic_endpoint_info import TopicEndpointInfo

from fol_vpr.errors import FolVprError
from fol_vpr.json_text import parse_json

# What follows the name of a service or an action in the types of its topics; by it, where the
# class is found in that of the service or the action.
_PARTS = {'_Event': 'Event', '_FeedbackMessage': 'Impl.FeedbackMessage'}


def interface_class(type_name: str) -> Any:
    """The Python class of what a topic carries.

    Args:
        type_name: such as sensor_msgs/msg/Image; those of services and actions too.

    Raises:
        FolVprError: its package is not installed, or not sourced, or has no such type.
    """
    package, _, rest = type_name.partition('/')
    kind, _, name = rest.rpartition('/')
    kind = kind.replace('/', '.') or 'msg'
    try:
        module = importlib.import_module(f'{package}.{kind}')
        for ending, place in _PARTS.items():
            if name.endswith(ending) and not hasattr(module, name):
                return functools.reduce(
                    getattr, place.split('.'), getattr(module, name.removesuffix(ending))
                )
        return getattr(module, name)
    except ImportError as error:
        raise FolVprError(
            f'messages of the type {type_name} need the Python package {package}.{kind}, which '
            f'cannot be imported here ({error}): install it (on Ubuntu '
            f'ros-$ROS_DISTRO-{package.replace("_", "-")}, or build it), and source its workspace '
            'in this shell'
        ) from error
    except AttributeError as error:
        raise FolVprError(
            f'the package {package} that is installed here has no type {type_name}: the publisher '
            'was built with another version of it; install the same here'
        ) from error


def is_foreign(endpoint: TopicEndpointInfo) -> bool:
    """Whether an endpoint was built from another definition of its type than the one here.

    The middleware connects both by the name of the type alone, and their messages cannot be read.
    """
    theirs, ours = str(endpoint.topic_type_hash), _own_hash(endpoint.topic_type)
    return bool(ours) and theirs.startswith('RIHS01_') and theirs != ours


@functools.cache
def _own_hash(type_name: str) -> str:
    """The hash of the definition that is installed here; empty where it is not known."""
    package, _, rest = type_name.partition('/')
    try:
        path = Path(get_package_share_directory(package)) / f'{rest}.json'
        described = parse_json(path.read_text())['type_hashes']
        return next(each['hash_string'] for each in described if each['type_name'] == type_name)
    except (PackageNotFoundError, OSError, ValueError, KeyError, StopIteration):
        # Types of before Iron have no hash, and those of services and actions lie elsewhere.
        return ''
