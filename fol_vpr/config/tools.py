"""Settings of the verbs of the command line that the recognition does not share."""

from __future__ import annotations

from dataclasses import dataclass

from fol_vpr.config.declaration import Checked, setting


@dataclass(frozen=True)
class EvaluationConfig(Checked):
    """Which references are positives of a query, where positions are the ground truth."""

    positive_radius: float = setting(
        25.0,
        'Distance in metres from a query within which a reference shows the same place. Larger '
        'counts more answers as right.',
        minimum=0,
    )
    positive_angle: float = setting(
        180.0,
        'Maximum difference in degrees between the orientations of a query and of a reference '
        'that shows the same place; 180 compares positions only. Larger counts more answers as '
        'right.',
        minimum=0,
        maximum=180,
    )


@dataclass(frozen=True)
class ComparisonConfig(Checked):
    """How the uncertainty of a difference between two results is estimated."""

    resamples: int = setting(
        2000,
        'Number of times that the queries are drawn anew for the intervals of latencies and '
        'calibration errors. Larger makes the ends of the intervals steadier, and takes longer.',
        minimum=100,
        maximum=1_000_000,
    )
    seed: int = setting(
        0,
        'Number of the random sequence of draws, its seed. The same number and the same results '
        'give the same intervals.',
        minimum=0,
        maximum=2**32 - 1,
    )


@dataclass(frozen=True)
class DemoConfig(Checked):
    """How many images the demo uses, so that it ends within minutes on a laptop."""

    every: int = setting(
        2,
        'Use only every Nth image of a folder. Larger makes the demo faster and the map smaller; '
        'bags are always used whole.',
        minimum=1,
        maximum=1000,
    )
    rate: float = setting(
        10.0,
        'Images per second that the stamps of a folder of queries are made with.',
        minimum=0.01,
    )


@dataclass(frozen=True)
class BagWriterConfig(Checked):
    """How a folder of images becomes a bag."""

    image_topic: str = setting(
        '/camera/image',
        'Topic of the images. If it is not set, compressed images are written to '
        '/camera/image/compressed, and others to /camera/image.',
    )
    compressed: bool = setting(
        True,
        'Write CompressedImage messages with the JPEG or PNG bytes of the files. With false, the '
        'images are decoded and written as Image messages, rgb8, which take more disk space.',
    )
    frame_id: str = setting(
        'camera',
        'Frame id of the camera, which the images carry in their header.',
        is_frame=True,
    )
    storage: str = setting(
        'sqlite3', 'Storage format of the new bag, sqlite3 or mcap.', choices=('sqlite3', 'mcap')
    )
    first_stamp: float = setting(
        1.0,
        'Time in seconds of the first image, where the images are stamped by a rate. It is over '
        '0 because a stamp of 0 means that a message has none.',
        minimum=0,
        maximum=2_000_000_000,
    )
    pose_topic: str = setting('/pose', 'Topic that the poses are written to.')
    pose_type: str = setting(
        'auto',
        'Message type of the poses: PoseStamped, PoseWithCovarianceStamped, Odometry, or auto, '
        'which takes PoseWithCovarianceStamped where a pose has a covariance, as positions '
        'without orientation do, and PoseStamped otherwise. Geodetic positions always become '
        'NavSatFix.',
        choices=('auto', 'PoseStamped', 'PoseWithCovarianceStamped', 'Odometry'),
    )
    map_frame: str = setting('map', 'Frame id that the poses are in.', is_frame=True)
    base_frame: str = setting(
        'base_link',
        'Frame id of the robot base that the poses describe, which Odometry messages carry as '
        'child_frame_id.',
        is_frame=True,
    )


@dataclass(frozen=True)
class PlayerConfig(Checked):
    """How a bag is played."""

    rate: float = setting(
        1.0,
        'Factor on the recorded speed: 2 plays twice as fast; 0 plays as fast as possible.',
        minimum=0,
    )
    start_offset: float = setting(
        0.0, 'Time in seconds at the beginning of the bag that is skipped.', minimum=0
    )
    loop: bool = setting(False, 'Start the bag again at its end, until the player is interrupted.')
    clock: float = setting(
        0.0,
        'Frequency in Hz at which the time of the bag is published on /clock; 0 does not publish '
        'it.',
        minimum=0,
    )
    wait_for: float = setting(
        30.0,
        'Maximum time in seconds to wait for a subscriber of the images, after which the player '
        'ends with an error; 0 starts at once.',
        minimum=0,
    )
    reliability: str = setting(
        'reliable',
        'Reliability of the publishers. reliable loses no message and reaches subscribers of '
        'both kinds; best_effort is what most camera drivers use.',
        choices=('reliable', 'best_effort'),
    )
    in_flight: int = setting(
        4,
        'Maximum number of images that are sent and not answered yet, where --answers names a '
        'topic. Larger lets the node work without pauses.',
        minimum=1,
    )
    answer_timeout: float = setting(
        30.0,
        'Time in seconds after which an image counts as unanswered, where --answers names a '
        'topic.',
        minimum=0.1,
    )


@dataclass(frozen=True)
class RecorderConfig(Checked):
    """How topics are recorded."""

    storage: str = setting(
        'sqlite3', 'Storage format of the new bag, sqlite3 or mcap.', choices=('sqlite3', 'mcap')
    )
    duration: float = setting(
        0.0, 'Time in seconds after which the recording ends; 0 sets no limit.', minimum=0
    )
    idle: float = setting(
        0.0,
        'Time in seconds without a message after which the recording ends, once one has arrived; '
        '0 waits without limit.',
        minimum=0,
    )
    idle_topic: str = setting(
        '',
        'Topic whose messages count for --idle, one of the recorded ones: topics that are '
        'published at all times, such as /diagnostics or /tf, then do not keep the recording '
        'going. Empty counts the messages of all recorded topics.',
    )
    wait_for: float = setting(
        60.0,
        'Maximum time in seconds to wait for a publisher of any of the topics, after which the '
        'recorder ends with an error.',
        minimum=0,
    )


@dataclass(frozen=True)
class WatchConfig(Checked):
    """How running nodes are watched."""

    interval: float = setting(
        0.5,
        'Time in seconds between two updates of the view; lines for a pipe come at most once a '
        'second.',
        minimum=0.05,
        maximum=3600,
    )
    duration: float = setting(
        0.0,
        'Time in seconds after which watching ends, counted from the first node that is found; '
        '0 watches until Ctrl-C, and with --once takes 3.',
        minimum=0,
    )
    wait_for: float = setting(
        5.0,
        'Maximum time in seconds to wait for a node with --once, after which the command ends '
        'with an error.',
        minimum=0,
    )


@dataclass(frozen=True)
class EchoConfig(Checked):
    """How the messages of a topic are printed."""

    wait_for: float = setting(
        10.0,
        'Maximum time in seconds to wait for a publisher, after which the command ends with an '
        'error; 0 waits without limit.',
        minimum=0,
    )
    timeout: float = setting(
        0.0,
        'Time in seconds without a message after which the command ends with an error; 0 waits '
        'without limit.',
        minimum=0,
    )
