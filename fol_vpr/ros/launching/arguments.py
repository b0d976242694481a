"""The arguments of the launch files: names, defaults, and what their values mean; no `launch`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from fol_vpr.errors import FolVprError, InputError
from fol_vpr.files import check_regular_file

NONE = 'none'
LEFT = 'params_file'
AUTO = 'auto'
LEFT_TEXT = (
    f'The word {LEFT} takes it from there, or from SetParameter of a parent launch file, or else'
)
TRANSPORTS = {'/compressed': 'compressed', '/ffmpeg': 'ffmpeg', '/video': 'video'}
LOG_LEVELS = ('debug', 'info', 'warn', 'error', 'fatal')
# Of other packages, which name an argument `map` too: nav2, slam_toolbox, RTAB-Map.
FOREIGN_MAPS = ('.yaml', '.yml', '.pgm', '.png', '.bmp', '.posegraph', '.pbstream', '.db')
# `ros2 launch` itself and the actions of `launch` read these.
OF_LAUNCH = frozenset({
    'launch-prefix', 'launch-prefix-filter', 'emulate_tty', 'sigterm_timeout', 'sigkill_timeout',
    'ros_namespace', 'global_params', 'ros_remaps', 'ros_params',
})  # fmt: skip
SIMILAR = 0.75


@dataclass(frozen=True)
class Argument:
    """A launch argument.

    Attributes:
        name: as it is typed before `:=`.
        default: the text that stands for an argument which is not given; None where it must be.
        description: for `ros2 launch ... --show-args`.
    """

    name: str
    default: str | None
    description: str


def common_arguments(share: Path) -> list[Argument]:
    """The arguments that every launch file has which starts the node.

    Args:
        share: the installed share/fol_vpr.
    """
    return [
        Argument(
            'weights',
            LEFT,
            'Weights of the network: a file, or a name that `fol_vpr weights list` shows. '
            f'{LEFT_TEXT} those that the map was made with.',
        ),
        Argument(
            'image_topic',
            'image',
            'Topic of the camera images. Compressed images are expected on the same topic with '
            '/compressed appended, video with /ffmpeg (FFMPEGPacket) or /video (CompressedVideo). '
            'A topic that itself ends so is taken for that transport alone.',
        ),
        Argument(
            'image_transport',
            LEFT,
            'Transport of the images: auto, raw, compressed, ffmpeg or video. '
            f'{LEFT_TEXT} auto, which keeps the one on which the first image arrives.',
        ),
        Argument(
            'camera_info_topic', 'camera_info', 'Topic of the camera calibration (CameraInfo).'
        ),
        Argument('odom_topic', 'odom', 'Topic of the odometry of the robot (Odometry).'),
        Argument(
            'params_file',
            NONE,
            'YAML file with parameters of the node; none reads no file. '
            f'{share / "config" / "localizer.yaml"} is one to copy, with every parameter.',
        ),
        Argument(
            'use_sim_time',
            LEFT,
            f'Take the time from /clock: true or false. {LEFT_TEXT} false.',
        ),
        Argument(
            'namespace',
            NONE,
            'Namespace of the node; none adds none. A relative one is appended to the namespace '
            'that a parent launch file has pushed.',
        ),
        Argument(
            'log_level',
            'info',
            f'Least severe messages to log: {", ".join(LOG_LEVELS[:-1])} or {LOG_LEVELS[-1]}.',
        ),
        Argument(
            'fastdds_profile',
            str(share / 'config' / 'fastdds_shm.xml'),
            'Fast DDS profile with shared memory for large images, for this node alone. A profile '
            'that the environment names wins (FASTDDS_DEFAULT_PROFILES_FILE, or '
            'FASTRTPS_DEFAULT_PROFILES_FILE). none keeps the default transports. The camera '
            'driver should use the same profile.',
        ),
    ]


MAP = Argument(
    'map',
    LEFT,
    f'Map file (.folmap). {LEFT_TEXT} none, which starts without a map, until ~/load_map loads '
    'one.',
)
AUTOSTART = Argument(
    'autostart',
    AUTO,
    'Configure and activate the node at start: true, or false to leave it to a lifecycle manager. '
    f'auto is true, unless params_file or SetParameter of a parent launch file says otherwise. '
    f'{LEFT}: as these say, or else false.',
)
REPLAY = Argument(
    'replay',
    LEFT,
    'Answer every image in order, for the playback of a bag: true, or false, which answers the '
    f'newest image and drops older ones. {LEFT_TEXT} false.',
)
SUPERVISION = [
    Argument(
        'respawn',
        'false',
        'Start the node again whenever it ends, whatever its exit code: true or false.',
    ),
    Argument('respawn_delay', '5.0', 'Seconds between its end and the new start, with respawn.'),
    Argument(
        'required',
        'false',
        'End the whole launch with exit code 1 when the node ends by itself: true or false. '
        'With false `ros2 launch` exits with 0 then, and systemd restarts nothing.',
    ),
]


# ---- values


def is_left(value: str, *words: str) -> bool:
    """Whether a value is a word that leaves the setting alone, or empty, as an include may give.

    Args:
        value: of the argument.
        words: further words that do.
    """
    return value.strip().lower() in ('', LEFT, *words)


def is_none(value: str) -> bool:
    """Whether a value is the word for nothing, or empty."""
    return value.strip().lower() in ('', NONE)


def flag(name: str, value: str) -> bool:
    """The truth value of an argument.

    Raises:
        InputError: it is neither true nor false.
    """
    words = {'true': True, '1': True, 'false': False, '0': False}
    if value.strip().lower() not in words:
        raise InputError(f'{name} is {value!r}, expected true or false')
    return words[value.strip().lower()]


def number(name: str, value: str) -> float:
    """The value of an argument in seconds or the like, 0 or more.

    Raises:
        InputError: it is no such number.
    """
    try:
        read = float(value)
    except ValueError:
        read = -1.0
    if not 0 <= read < float('inf'):
        raise InputError(f'{name} is {value!r}, expected a number from 0 on')
    return read


def expanded(value: str) -> str:
    """A path with ~ replaced: no shell replaces it behind `:=`.

    Raises:
        InputError: there is no such user.
    """
    try:
        return str(Path(value).expanduser())
    except RuntimeError as error:
        raise InputError(f'{value} is no path: {error}') from error


def readable_file(name: str, value: str, what: str) -> str:
    """The absolute path of a file that an argument names.

    Args:
        name: of the argument.
        value: its value.
        what: the file is, with its article.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    path = Path(expanded(value)).absolute()
    try:
        check_regular_file(path, what)
    except FolVprError as error:
        raise InputError(f'{name}:={value}: {error}') from error
    return str(path)


def map_path(value: str) -> str:
    """The map that an argument names; one that lies in the working folder as an absolute path.

    Raises:
        InputError: the ending is that of a map of another package.
    """
    if Path(value).suffix.lower() in FOREIGN_MAPS:
        raise InputError(
            f'map is {value}, a file of another package, expected a .folmap. If a parent launch '
            'file has an argument `map` of its own, give this one by name, map:=SITE.folmap or '
            'map:=none, and include this launch file in a group with scope (GroupAction)'
        )
    path = Path(expanded(value))
    # Another relative path starts at the parameter map_folder.
    return str(path.absolute() if path.exists() else path)


def image_topics(topic: str, transport: str) -> tuple[str, str]:
    """The topic without the ending of a transport, and the transport that is to be used.

    Args:
        topic: the argument image_topic.
        transport: the argument image_transport; empty where it is not given.

    Returns:
        Base topic, and transport, which is empty where the node decides.

    Raises:
        InputError: the topic is no name, or the transport is unknown or contradicts it.
    """
    if not re.fullmatch(r'(?:~/|/)?[\w{}][\w/{}]*(?<!/)', topic) or '//' in topic:
        raise InputError(f'image_topic is {topic!r}, expected a topic such as /camera/image_raw')
    known = ('auto', 'raw', *TRANSPORTS.values())
    if transport and transport not in known:
        raise InputError(f'image_transport is {transport!r}, expected one of {", ".join(known)}')
    for ending, of_ending in TRANSPORTS.items():
        base = topic.removesuffix(ending)
        if base in ('', topic) or transport == 'raw':
            continue
        if transport not in ('', 'auto', of_ending):
            raise InputError(
                f'image_topic is {topic}, but image_transport {transport}: give the topic without '
                f'{ending}, or image_transport:={of_ending}'
            )
        return base, of_ending
    return topic, transport


# ---- what was given


def unused_names(
    given: Collection[str], declared: Sequence[str], *, is_included: bool
) -> list[tuple[str, str]]:
    """Names that were given as arguments and that no argument has.

    Args:
        given: names; those of a parent launch file too, where this one is included.
        declared: names of the arguments of this launch file.
        is_included: whether a parent launch file includes this one. It has arguments of its own,
            so that a name is then told only where it looks like a misspelt one.

    Returns:
        Each such name, and the argument that was probably meant, or an empty text.
    """
    found = []
    for name in given:
        if name in declared or name in OF_LAUNCH:
            continue
        meant = _meant(name, declared)
        if meant or not is_included:
            found.append((name, meant))
    return found


def _meant(name: str, declared: Sequence[str]) -> str:
    swapped = [other for other in declared if sorted(other) == sorted(name)]
    return next(iter(swapped or difflib.get_close_matches(name, declared, 1, SIMILAR)), '')
