"""What is known of ROS 2 and of its transport."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

OLD_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
"""What Fast DDS 2 reads: up to Jazzy."""
NEW_VARIABLE = 'FASTDDS_DEFAULT_PROFILES_FILE'
"""What Fast DDS 3 reads: from Kilted on."""
WITH_FAST_DDS_2 = ('foxy', 'galactic', 'humble', 'iron', 'jazzy')
VARIABLES = (
    'ROS_DISTRO', 'RMW_IMPLEMENTATION', 'ROS_DOMAIN_ID', 'ROS_LOCALHOST_ONLY',
    'ROS_AUTOMATIC_DISCOVERY_RANGE', 'ROS_STATIC_PEERS', 'ROS_DISCOVERY_SERVER',
    'FASTDDS_BUILTIN_TRANSPORTS', 'CYCLONEDDS_URI', 'ZENOH_SESSION_CONFIG_URI', OLD_VARIABLE,
    NEW_VARIABLE,
)  # fmt: skip
"""Environment variables that the findings are about."""


def profile_variable(distribution: str) -> str:
    """The variable that names the profile of Fast DDS in a distribution of ROS 2."""
    return OLD_VARIABLE if distribution in WITH_FAST_DDS_2 else NEW_VARIABLE


@dataclass(frozen=True)
class RosFacts:
    """ROS 2 in this environment.

    Attributes:
        error: why rclpy cannot be imported; empty where it can.
        messages_error: why fol_vpr_msgs cannot be imported; empty where it can.
        tf_error: the same of tf2_msgs.
        rmw: identifier of the middleware that rclpy has loaded, such as rmw_fastrtps_cpp.
        environment: the variables of `VARIABLES` that are set.
        started: whether it was tried to start a node.
        start_error: why none starts; empty where one does.
    """

    error: str = ''
    messages_error: str = ''
    tf_error: str = ''
    rmw: str = ''
    environment: Mapping[str, str] = field(default_factory=dict)
    started: bool = False
    start_error: str = ''

    @property
    def distribution(self) -> str:
        """Name of the distribution; empty where no workspace is sourced."""
        return self.environment.get('ROS_DISTRO', '')

    @property
    def middleware(self) -> str:
        """The middleware that is loaded, or that would be."""
        wanted = self.environment.get('RMW_IMPLEMENTATION', '')
        return self.rmw or wanted or 'rmw_fastrtps_cpp'

    @property
    def has_fast_dds(self) -> bool:
        """Whether the middleware is Fast DDS."""
        return 'fastrtps' in self.middleware or 'fastdds' in self.middleware


@dataclass(frozen=True)
class TransportFacts:
    """Shared memory, and the kernel's buffers.

    Attributes:
        profile: content of the file that the variable of the profile names; None where none is
            read.
        profile_error: why the file cannot be read; empty where it can, or none is named.
        shm_size, shm_free: bytes of /dev/shm; None where it is missing.
        shm_writable: whether this user may write there.
        dead_segments, dead_bytes: left there by killed processes of Fast DDS.
        receive_buffer: bytes of net.core.rmem_max; None where it cannot be read.
        container: kind of the container that this process runs in; empty for none.
    """

    profile: str | None = None
    profile_error: str = ''
    shm_size: int | None = None
    shm_free: int | None = None
    shm_writable: bool = True
    dead_segments: int = 0
    dead_bytes: int = 0
    receive_buffer: int | None = None
    container: str = ''
