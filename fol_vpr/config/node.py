"""Settings of the node `localizer` itself."""

from __future__ import annotations

from dataclasses import dataclass

from fol_vpr.config.camera import IMAGE_RANGE, MOUNT, RANGE, check_image_range, mount_pose
from fol_vpr.config.declaration import Checked, setting
from fol_vpr.config.scale import SCALES


@dataclass(frozen=True)
class NodeConfig(Checked):
    """Topics, frames and diagnostics of the node `localizer`."""

    map: str = setting(
        '',
        'Map file (.folmap) that the node loads when it is configured. The map sets '
        'network.resize and network.input_size, network.weights where that has its default, and '
        'those parameters of its calibration and its scale that are not given. Empty starts the '
        'node without a map, until the service ~/load_map loads one.',
    )
    map_folder: str = setting(
        '',
        'Folder that the map, and the paths in calls of ~/load_map and ~/save_map, have to lie '
        'in once links and .. are resolved; relative paths start there. network.weights, '
        'retrieval.index_uri, loops.session_file and mapping.output then keep the values that '
        'they have at start. Empty allows any path that the user of the node may read or write, '
        'to every node that may call the services.',
        read_only=True,
    )
    map_load_timeout: float = setting(
        600.0,
        'Time in seconds after which ~/load_map gives up a map that is still being read. The map '
        'in use stays, and the other one is dropped whenever its reading ends. 0 waits for ever.',
        minimum=0,
        maximum=86_400,
    )
    scale: str = setting(
        'auto',
        'Size of the surroundings: room, building or street. It sets the radius of a place, the '
        'distances of keyframes and of loop closures together; parameters that are given '
        'themselves come first. auto takes the scale of the map, and the defaults, which are '
        'those of street, where the map has none.',
        choices=('auto', *SCALES),
        read_only=True,
    )
    map_frame: str = setting(
        '',
        'Frame id of the published poses. Empty takes the frame that the map names.',
        is_frame=True,
    )
    base_frame: str = setting(
        'base_link',
        'Frame of the robot base, whose poses the map holds. The pose of the camera on the robot '
        'is looked up from it on /tf_static, and odometry of another frame is converted to it.',
        is_frame=True,
    )
    camera_mount: tuple[float, ...] = setting(
        (),
        "Pose of the camera's optical frame (x right, y down, z forward) in base_frame: x y z in "
        'metres and the unit quaternion qx qy qz qw. Empty takes it from /tf_static.',
        elements=MOUNT,
    )
    replay: bool = setting(
        False,
        'Answer every image in order, for the playback of a bag: the subscription is reliable '
        'and no image is dropped. With false, an image that waits is replaced by the next one '
        'and counted as dropped, so that answers stay recent.',
        read_only=True,
    )
    replay_queue: int = setting(
        8,
        'Number of images that the node queues while replay is true; further images wait in the '
        'middleware. Larger takes more memory.',
        minimum=1,
        maximum=10_000,
        read_only=True,
    )
    overlap: str = setting(
        'auto',
        'Whether a second thread decodes the next image and extracts its features while the last '
        'one is searched, verified and measured: always, never, or auto, which does where the '
        'network runs on another device than the CPU. The answers and their order stay the same. '
        'Where both threads want the same cores, each answer takes longer and no more images are '
        'answered.',
        choices=('auto', 'always', 'never'),
        read_only=True,
    )
    image_transport: str = setting(
        'auto',
        'Image topic that the node subscribes to: raw takes `image`, compressed takes '
        '`image/compressed`, ffmpeg and video take packets of a video from `image/ffmpeg` '
        '(FFMPEGPacket) and `image/video` (CompressedVideo). auto subscribes to all whose '
        'message packages are installed, until an image arrives on one of these topics, and then '
        'keeps that topic.',
        choices=('auto', 'raw', 'compressed', 'ffmpeg', 'video'),
        read_only=True,
    )
    image_range: tuple[float, ...] = setting(
        (),
        IMAGE_RANGE.format(
            'Empty takes both from the images received so far: the smallest depth (8, 10, 12, 14 '
            'or 16 bits) that holds all values, or the band of all values if that is narrow, as '
            'with thermal cameras. Both only grow, and the log reports each change.'
        ),
        elements=RANGE,
        read_only=True,
    )
    autostart: bool = setting(
        False,
        'Configure and activate the node when it starts. With false, a lifecycle manager has to '
        'do it.',
        read_only=True,
    )
    publish_tf: bool = setting(
        False,
        'Publish the transform from the map frame to the frame of the odometry, at the stamp of '
        'every image that is LOCALIZED. Needs tf2_ros, and odometry on the topic `odom`.',
        read_only=True,
    )
    odom_gap: float = setting(
        0.2,
        'Maximum time in seconds between two odometry messages, or between an odometry message '
        'and an image, for the pose of the robot at the image to be interpolated. Larger '
        'tolerates slower odometry; smaller leaves more images without odometry.',
        minimum=0,
        maximum=10,
    )
    position_stddev: float = setting(
        2.0,
        'Standard deviation in metres between the position of a recognised image and that of the '
        'map image that it matches. It is added to the covariance of ~/pose where the pose is '
        'that of the map image; a refined pose brings its own covariance.',
        minimum=0,
        maximum=1000,
    )
    orientation_stddev: float = setting(
        15.0,
        'Standard deviation in degrees between the orientation of a recognised image and that of '
        'the map image that it matches. It is added to the covariance of ~/pose where the pose '
        'is that of the map image; a refined pose brings its own covariance.',
        minimum=0,
        maximum=180,
    )
    diagnostics_period: float = setting(
        1.0,
        'Time in seconds between two messages on /diagnostics.',
        minimum=0.1,
        maximum=60,
        read_only=True,
    )
    image_timeout: float = setting(
        5.0,
        'Time in seconds without an image after which /diagnostics reports an error with its '
        'likely cause, and without an answer after which it reports a warning.',
        minimum=0.1,
        maximum=3600,
    )
    dropped_share: float = setting(
        0.5,
        'Fraction of the images of the last 10 s that may be dropped, because a newer one came '
        'while the node was busy, before /diagnostics reports a warning. 1 never warns.',
        minimum=0,
        maximum=1,
    )
    stamp_tolerance: float = setting(
        0.5,
        'Time in seconds by which the stamp of an image may be ahead of the clock of the node '
        'before /diagnostics reports a warning.',
        minimum=0,
        maximum=3600,
    )
    debug_height: int = setting(
        360,
        'Height in pixels of the query and the reference that are drawn side by side on '
        '~/debug/match/compressed. Larger pictures take more bandwidth.',
        minimum=60,
        maximum=2160,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        mount_pose(self.camera_mount)
        check_image_range(self.image_range)
