"""How the node behaves."""

from __future__ import annotations

from dataclasses import dataclass

from fol_vpr.config.camera import MOUNT, mount_pose
from fol_vpr.config.setting import Checked, setting


@dataclass(frozen=True)
class NodeConfig(Checked):
    """How the node `localizer` behaves; what it recognises with is in the other parts."""

    map: str = setting(
        '',
        'Map file (.folmap) that is loaded when the node is configured; empty starts without one, '
        'and ~/load_map brings it. network.resize and network.input_size are then taken from it, '
        'and its weights, unless network.weights names others.',
    )
    map_frame: str = setting(
        '', 'Frame id of the published poses; empty takes the one that the map names.'
    )
    base_frame: str = setting(
        'base_link',
        'Frame of the robot whose pose the map holds; checked against `odom`, and where the '
        'camera sits is looked up from.',
    )
    camera_mount: tuple[float, ...] = setting(
        (),
        "Pose of the camera's optical frame (x right, y down, z forward) in base_frame: x y z in "
        'metres and the unit quaternion qx qy qz qw; empty takes it from /tf_static.',
        elements=MOUNT,
    )
    replay: bool = setting(
        False,
        'Answer every image, in order: the subscription is reliable, keeps all, and nothing is '
        'dropped. Otherwise the newest image wins and the ones that it overtakes are counted as '
        'dropped.',
        read_only=True,
    )
    replay_queue: int = setting(
        8,
        'Images that the node itself holds in replay mode; the rest waits in the middleware.',
        minimum=1,
        maximum=10_000,
        read_only=True,
    )
    image_transport: str = setting(
        'auto',
        'raw listens to `image`, compressed to `image/compressed`, auto to both until one of them '
        'delivers, and then to that one.',
        choices=('auto', 'raw', 'compressed'),
        read_only=True,
    )
    autostart: bool = setting(
        False,
        'Configure and activate at start, without a lifecycle manager.',
        read_only=True,
    )
    publish_tf: bool = setting(
        False,
        'Publish map -> odom at the stamp of every image that is localised. Needs tf2_ros and '
        'odometry on `odom`.',
        read_only=True,
    )
    odom_gap: float = setting(
        0.2,
        'Longest time in seconds between two odometry messages that the pose at an image may be '
        'interpolated across.',
        minimum=0,
        maximum=10,
    )
    position_stddev: float = setting(
        2.0,
        'How far from the pose of the map image a recognised image may have been taken, in metres '
        '(standard deviation). Added to the covariance of ~/pose where that is the pose of the '
        'map image.',
        minimum=0,
        maximum=1000,
    )
    orientation_stddev: float = setting(
        15.0,
        'The same for the rotation, in degrees.',
        minimum=0,
        maximum=180,
    )
    diagnostics_period: float = setting(
        1.0, 'Seconds between messages on /diagnostics.', minimum=0.1, maximum=60, read_only=True
    )
    image_timeout: float = setting(
        5.0,
        'Seconds without an image after which the diagnostics say so, and why.',
        minimum=0.1,
        maximum=3600,
    )
    stamp_tolerance: float = setting(
        0.5,
        'Seconds that the stamp of an image may be ahead of the clock of the node before the '
        'diagnostics complain.',
        minimum=0,
        maximum=3600,
    )
    debug_height: int = setting(
        360, 'Height of ~/debug/match/compressed in pixels.', minimum=60, maximum=2160
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        mount_pose(self.camera_mount)
