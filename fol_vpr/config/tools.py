"""What the verbs of the command line do besides."""

from __future__ import annotations

from dataclasses import dataclass

from fol_vpr.config.setting import Checked, setting


@dataclass(frozen=True)
class EvaluationConfig(Checked):
    """Which references count as right where positions are the ground truth."""

    positive_radius: float = setting(
        25.0, 'Metres within which a reference shows the place of a query.', minimum=0
    )
    positive_angle: float = setting(
        180.0,
        'Degrees by which both orientations may differ; 180 looks at positions only.',
        minimum=0,
        maximum=180,
    )


@dataclass(frozen=True)
class DemoConfig(Checked):
    """What the demo takes of its images, so that it ends within minutes on a laptop."""

    every: int = setting(
        2, 'Take every Nth image of a folder; bags are taken whole.', minimum=1, maximum=1000
    )
    rate: float = setting(
        10.0, 'Images per second by which a folder of queries is stamped.', minimum=0.01
    )


@dataclass(frozen=True)
class BagWriterConfig(Checked):
    """How a folder of images becomes a bag."""

    image_topic: str = setting(
        '/camera/image',
        'Topic of the images; compressed ones go to it with /compressed appended, as '
        'image_transport has it, unless a topic is given.',
    )
    compressed: bool = setting(
        True, "CompressedImage with the files' own JPEG or PNG bytes; otherwise Image, rgb8."
    )
    frame_id: str = setting('camera', 'Coordinate frame of the camera.')
    storage: str = setting('sqlite3', 'Storage of the bag.', choices=('sqlite3', 'mcap'))
    first_stamp: float = setting(
        1.0,
        'Time of the first image in seconds, where a rate and no times are given. A stamp of 0 '
        'would mean that there is none.',
        minimum=0,
        maximum=2_000_000_000,
    )
    pose_topic: str = setting('/pose', 'Topic of the poses.')
    pose_type: str = setting(
        'auto',
        'Type of the poses; auto is PoseWithCovarianceStamped where a pose has a covariance (that '
        'of positions without orientation says so), and PoseStamped otherwise. Geodetic '
        'positions always become NavSatFix.',
        choices=('auto', 'PoseStamped', 'PoseWithCovarianceStamped', 'Odometry'),
    )
    map_frame: str = setting('map', 'Coordinate frame that the poses are in.')
    base_frame: str = setting('base_link', 'Coordinate frame whose poses they are.')


@dataclass(frozen=True)
class PlayerConfig(Checked):
    """How a bag is played."""

    rate: float = setting(
        1.0, 'Speed, 2 is twice as fast as recorded; 0 is as fast as possible.', minimum=0
    )
    start_offset: float = setting(0.0, 'Seconds at the beginning that are left out.', minimum=0)
    loop: bool = setting(False, 'Start again at the end, until interrupted.')
    clock: float = setting(
        0.0, 'Publish the time of the bag on /clock, so often a second; 0 does not.', minimum=0
    )
    wait_for: float = setting(
        30.0, 'Longest wait for a subscriber in seconds; 0 starts at once.', minimum=0
    )
    reliability: str = setting(
        'reliable',
        'reliable loses nothing, and reaches subscribers of both kinds; best_effort is what most '
        'camera drivers do.',
        choices=('reliable', 'best_effort'),
    )
    in_flight: int = setting(
        4, 'Images sent ahead of the answers, where answers are waited for.', minimum=1
    )
    answer_timeout: float = setting(
        30.0, 'Seconds after which an image counts as unanswered.', minimum=0.1
    )


@dataclass(frozen=True)
class RecorderConfig(Checked):
    """How topics are recorded."""

    storage: str = setting('sqlite3', 'Storage of the bag.', choices=('sqlite3', 'mcap'))
    duration: float = setting(0.0, 'End after so many seconds; 0 does not.', minimum=0)
    idle: float = setting(
        0.0, 'End so many seconds after the last message; 0 does not.', minimum=0
    )
    wait_for: float = setting(
        60.0, 'Give up if none of the topics has a publisher after so many seconds.', minimum=0
    )
