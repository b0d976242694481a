"""Whether images get through: the profile of Fast DDS, shared memory, buffers of the kernel."""

from __future__ import annotations

from collections.abc import Iterator

from fol_vpr.checks.findings import Finding, Severity, ok
from fol_vpr.checks.middleware.facts import (
    NEW_VARIABLE,
    OLD_VARIABLE,
    RosFacts,
    TransportFacts,
    profile_variable,
)
from fol_vpr.checks.middleware.profile import Profile, read_profile
from fol_vpr.errors import InputError

SHM = '/dev/shm'  # noqa: S108 where Fast DDS has its segments
IMAGE = 1280 * 720 * 3
"""Bytes of a raw image that the segment should hold."""
MIN_RECEIVE_BUFFER = 2_097_152
"""Bytes of net.core.rmem_max below which raw images from other machines are lost."""
_SET_PROFILE = 'export {}=$(ros2 pkg prefix fol_vpr)/share/fol_vpr/config/fastdds_shm.xml'
_LOST = 'the default segment of 512 KiB loses two of three raw images of 640x480 at 30 Hz'


def examine_transport(ros: RosFacts, facts: TransportFacts) -> Iterator[Finding]:
    """Findings on what carries the images.

    Args:
        ros: ROS 2 in this environment.
        facts: shared memory and buffers.
    """
    if ros.has_fast_dds:
        yield from _profile(ros, facts)
        yield from _shared_memory(facts)
    else:
        named = [name for name in (OLD_VARIABLE, NEW_VARIABLE) if name in ros.environment]
        if named:
            yield Finding(
                'dds.profile_ignored',
                Severity.WARNING,
                f'{named[0]} is set, and the middleware is {ros.middleware}',
                'only Fast DDS reads that profile: it has no effect',
                'unset it, and configure this middleware for large messages (CYCLONEDDS_URI with '
                'SocketReceiveBufferSize; Zenoh: its session configuration)',
            )
    if facts.receive_buffer is not None and facts.receive_buffer < MIN_RECEIVE_BUFFER:
        yield Finding(
            'dds.receive_buffer',
            Severity.WARNING,
            f'net.core.rmem_max is {facts.receive_buffer}',
            'raw images that come from another machine, or from another container, arrive as '
            'bursts of UDP packets, of which the kernel drops what does not fit',
            'raise it, also in /etc/sysctl.d/ so that it stays; or take compressed images',
            f'sudo sysctl -w net.core.rmem_max={8 * MIN_RECEIVE_BUFFER}',
        )
    elif facts.receive_buffer is not None:
        yield ok('dds.receive_buffer', f'net.core.rmem_max is {facts.receive_buffer}')


def _profile(ros: RosFacts, facts: TransportFacts) -> Iterator[Finding]:
    read = profile_variable(ros.distribution)
    other = NEW_VARIABLE if read == OLD_VARIABLE else OLD_VARIABLE
    command = _SET_PROFILE.format(read)
    if other in ros.environment and read not in ros.environment:
        yield Finding(
            'dds.variable',
            Severity.WARNING,
            f'{other} is set, but Fast DDS of {ros.distribution} reads {read}',
            f'the profile has no effect: {_LOST}',
            f'set {read}',
            f'export {read}="${other}"',
        )
    elif builtin := ros.environment.get('FASTDDS_BUILTIN_TRANSPORTS', ''):
        yield from _builtin(builtin, read, ros)
    elif read not in ros.environment:
        yield Finding(
            'dds.profile',
            Severity.WARNING,
            f'no profile of Fast DDS: {read} is not set',
            f'{_LOST}; the launch files of this package set it for the node alone',
            'set it for the driver of the camera, and for the node where no launch file of this '
            'package starts it; or take compressed images',
            command,
        )
    elif facts.profile is None:
        yield Finding(
            'dds.profile',
            Severity.ERROR,
            f'{read} is {ros.environment[read]}, which cannot be read: {facts.profile_error}',
            f'Fast DDS goes on with its defaults: {_LOST}',
            'name an existing file by its whole path, without ~',
            command,
        )
    else:
        yield _content(ros.environment[read], facts, command)


def _builtin(value: str, read: str, ros: RosFacts) -> Iterator[Finding]:
    kind = value.upper().partition('?')[0]
    if kind in ('LARGE_DATA', 'LARGE_DATAV6', 'SHM'):
        yield ok('dds.profile', f'FASTDDS_BUILTIN_TRANSPORTS is {value}')
        return
    profile = f'; {read} is set too' if read in ros.environment else ''
    yield Finding(
        'dds.profile',
        Severity.WARNING,
        f'FASTDDS_BUILTIN_TRANSPORTS is {value}{profile}',
        f'its shared memory is small or absent: {_LOST}',
        'set it to LARGE_DATA for all nodes, or unset it and set a profile',
        'export FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA',
    )


def _content(path: str, facts: TransportFacts, command: str) -> Finding:
    key = 'dds.profile'
    try:
        profile = read_profile(facts.profile or '')
    except InputError as error:
        return Finding(
            key, Severity.ERROR, f'{path}: {error}',
            f'Fast DDS goes on with its defaults, or without shared memory: {_LOST}',
            'correct it, or take the profile of this package', command,
        )  # fmt: skip
    remedy = 'take the profile of this package as an example'
    if not profile.has_default:
        return Finding(
            key, Severity.WARNING,
            f'{path} has no profile of participants with is_default_profile="true"',
            f'ROS 2 uses the default profile only: this one has no effect; {_LOST}',
            remedy, command,
        )  # fmt: skip
    if not profile.shared_memory:
        return Finding(
            key, Severity.WARNING, f'{path} has no shared memory',
            'raw images go over UDP within the machine too, and some are lost', remedy, command,
        )  # fmt: skip
    if profile.segment_size < IMAGE:
        return Finding(
            key, Severity.WARNING,
            f'{path}: its segments of shared memory are {_mib(profile.segment_size)}',
            f'a raw image of 1280x720 takes {_mib(IMAGE)}: images are lost',
            f'set segment_size to 33554432; {remedy}', command,
        )  # fmt: skip
    if profile.max_message_size > profile.segment_size:
        return Finding(
            key, Severity.ERROR,
            f'{path}: maxMessageSize {profile.max_message_size} is larger than segment_size '
            f'{profile.segment_size}',
            'Fast DDS then goes without shared memory: raw images go over UDP, and some are lost',
            'exchange the two', command,
        )  # fmt: skip
    network = '' if profile.network else '; no network: nodes of this machine alone'
    return ok(key, f'{path}: shared memory, segments of {_mib(profile.segment_size)}{network}')


def _shared_memory(facts: TransportFacts) -> Iterator[Finding]:
    if facts.shm_size is None:
        yield Finding(
            'dds.shm', Severity.WARNING, 'there is no /dev/shm',
            'images within this machine go over UDP, and large ones are lost',
            'mount a tmpfs there', 'sudo mount -t tmpfs -o size=1g tmpfs /dev/shm',
        )  # fmt: skip
        return
    segment = _segment(facts)
    grow = (
        'start the container with --ipc=host (which also lets it meet nodes outside), or with '
        '--shm-size=1g'
        if facts.container
        else 'enlarge it'
    )
    command = '' if facts.container else 'sudo mount -o remount,size=1g /dev/shm'
    size = f'{SHM}: {_mib(facts.shm_free or 0)} free of {_mib(facts.shm_size)}'
    if not facts.shm_writable:
        yield Finding(
            'dds.shm', Severity.ERROR, f'{SHM} cannot be written by this user',
            'Fast DDS cannot use shared memory: large images are lost',
            'give it the usual permissions', 'sudo chmod 1777 /dev/shm',
        )  # fmt: skip
    elif (facts.shm_free or 0) < 3 * segment:
        yield Finding(
            'dds.shm', Severity.WARNING, size,
            f'each process of ROS 2 takes a segment of {_mib(segment)} there; one that does not '
            'fit goes over UDP',
            grow, command,
        )  # fmt: skip
    else:
        yield ok('dds.shm', size)
    if facts.dead_segments:
        yield Finding(
            'dds.dead_segments', Severity.WARNING,
            f'{facts.dead_segments} segments of killed processes lie in /dev/shm '
            f'({_mib(facts.dead_bytes)})',
            'they stay until the machine restarts, and fill it',
            'remove them; the node does so at its start, of its own user',
            'fastdds shm clean',
        )  # fmt: skip


def _segment(facts: TransportFacts) -> int:
    try:
        profile: Profile | None = read_profile(facts.profile) if facts.profile else None
    except InputError:
        profile = None
    return 512 * 1024 if profile is None else profile.segment_size


def _mib(size: float) -> str:
    return f'{size / 2**20:.0f} MiB' if size >= 2**20 else f'{size / 2**10:.0f} KiB'
