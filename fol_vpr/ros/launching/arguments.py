"""The arguments of the launch files: names, defaults and descriptions; needs no `launch`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

NONE = 'none'
LEFT = 'params_file'
AUTO = 'auto'
LEFT_TEXT = (
    f'The word {LEFT} takes it from there, or from SetParameter of a parent launch file, or else'
)
LOG_LEVELS = ('debug', 'info', 'warn', 'error', 'fatal')


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


POSE_TOPIC = Argument(
    'pose_topic',
    'pose',
    'Topic of the poses of the robot in the frame of the map (PoseWithCovarianceStamped), for '
    'poses:=pose.',
)


def mapping_arguments() -> list[Argument]:
    """The arguments of the launch file that builds a map."""
    length = f'{LEFT_TEXT} the default of the parameter.'
    return [
        Argument(
            'output',
            None,
            'Map file (.folmap) to build. One that is there is continued with another session; '
            'with poses:=odom, whose origin differs at each start, a new file NAME-2.folmap is '
            'begun beside it.',
        ),
        Argument(
            'poses',
            LEFT,
            'Where the poses of the keyframes come from: odom (odom_topic), pose (pose_topic), or '
            f'none, which builds a map without poses. {LEFT_TEXT} odom.',
        ),
        POSE_TOPIC,
        Argument(
            'session',
            LEFT,
            f'Name of this drive in the map. {LEFT_TEXT} date and time.',
        ),
        Argument(
            'keyframe_distance', LEFT, f'Distance in metres between two map images. {length}'
        ),
        Argument('keyframe_angle', LEFT, f'Turn in degrees between two map images. {length}'),
        Argument(
            'keyframe_interval',
            LEFT,
            f'Seconds between two map images without a pose. {length}',
        ),
    ]


TOPICS_OF_BAG = {
    'image_topic': Argument(
        'image_topic', AUTO, 'Topic of the images in the bag; auto takes the only one.'
    ),
    'camera_info_topic': Argument(
        'camera_info_topic',
        AUTO,
        'Topic of the camera calibration in the bag; auto takes that of the images, if there is '
        'one.',
    ),
    'odom_topic': Argument(
        'odom_topic', NONE, 'Topic of the odometry in the bag; none plays no odometry.'
    ),
}


def common_arguments_with_bag(share: Path) -> list[Argument]:
    """The common arguments where the node hears a bag, whose topics they name.

    Args:
        share: the installed share/fol_vpr.
    """
    common = [each for each in common_arguments(share) if each.name != 'image_transport']
    return [TOPICS_OF_BAG.get(each.name, each) for each in common]


BAG = Argument('bag', None, 'Bag that is played: sqlite3, MCAP or ROS 1, compressed or not.')
POSES_OF_BAG = Argument(
    'pose_topic', NONE, 'Topic of the poses in the bag, as ground truth; none has no poses.'
)
OUTPUT_FOLDER = Argument(
    'output', 'results', 'Folder for all results; it is made where it is missing.'
)
GROUND_TRUTH = Argument(
    'ground_truth',
    NONE,
    'CSV with the columns query_index,ref_indices. none takes pose_topic, or else reports latency '
    'and states alone.',
)
OPTIONS = Argument(
    'options', NONE, 'Further options of `fol_vpr evaluate`, such as "--positive-radius 5".'
)


def demo_arguments() -> list[Argument]:
    """The arguments of the launch file that shows the node on bags."""
    return [
        Argument('bag', None, 'Bag that the map is built from, and by default played.'),
        Argument('queries', NONE, 'Bag that is played to the node; none plays `bag`.'),
        POSES_OF_BAG,
        Argument('output', 'demo', 'Folder for the map; a map that is there is used again.'),
        Argument('rate', '1.0', 'Factor on the recorded speed; 0 is as fast as possible.'),
        Argument('loop', 'true', 'Play it again and again, until Ctrl-C: true or false.'),
    ]
