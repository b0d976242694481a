"""How loop closures are found, and which of them are worth telling."""

from __future__ import annotations

from dataclasses import dataclass

from fol_vpr.config.setting import Checked, setting


@dataclass(frozen=True)
class LoopsConfig(Checked):
    """Loop closures: within the running drive, and how often they are published at all.

    Metres are metres of the path that was driven, by the odometry of the images. Where there is
    none, seconds count as metres at `speed`.
    """

    enabled: bool = setting(
        False,
        'Keep the keyframes of the running drive, and look for loops in them. Closures against '
        'the loaded map are published in any case.',
    )
    session_file: str = setting(
        '',
        'Map file (.folmap) that the keyframes are written to as they come; where it exists '
        'already, a number is put behind its name. Empty keeps them in a temporary file, which is '
        'removed at the end.',
        is_file=True,
    )
    frame: str = setting('odom', 'Frame of the odometry, which the poses of keyframes are in.')
    codec: str = setting(
        'fine',
        'How local features of keyframes are stored, as when a map is built.',
        choices=('float32', 'float16', 'fine', 'compact', 'tiny'),
    )
    store_images: bool = setting(
        True,
        'Keep a JPEG of every keyframe in the session file: what transforms are measured on.',
    )
    keyframe_distance: float = setting(
        1.0, 'Metres driven between keyframes.', minimum=0, maximum=10_000
    )
    keyframe_angle: float = setting(
        15.0, 'Degrees turned between keyframes.', minimum=0, maximum=360
    )
    keyframe_interval: float = setting(
        1.0, 'Seconds between keyframes where there is no odometry.', minimum=0, maximum=3600
    )
    keyframe_similarity: float = setting(
        0.6,
        'Where there is no odometry: an image whose global similarity to the last keyframe is '
        'below this becomes one before its time, and none does while the similarity is above the '
        'middle between this and 1, as when the robot stands.',
        minimum=-1,
        maximum=1,
    )
    skip_revisits: bool = setting(
        True,
        'An image that is verified to show an older keyframe of the drive again becomes none '
        'itself where it is as near to it as keyframes follow each other: a robot that drives its '
        'round all day keeps each place once. Takes odometry.',
    )
    speed: float = setting(
        1.0,
        'Metres per second that the robot is taken to drive where there is no odometry.',
        minimum=0,
        maximum=1000,
    )
    exclude_distance: float = setting(
        10.0,
        'Keyframes within so many metres of driving are recent, and no loop.',
        minimum=0,
        maximum=1_000_000,
    )
    exclude_time: float = setting(
        10.0,
        'Keyframes of so many last seconds are recent, where there is no odometry.',
        minimum=0,
        maximum=1_000_000,
    )
    exclude_keyframes: int = setting(
        5,
        'So many last keyframes are recent, where there is no odometry.',
        minimum=0,
        maximum=1_000_000,
    )
    candidates: int = setting(
        10, 'Keyframes taken from the global search.', minimum=1, maximum=10_000
    )
    verify: int = setting(
        2, 'How many of them, best first, are checked geometrically.', minimum=1, maximum=1000
    )
    consecutive: int = setting(
        2,
        'Images in a row that must agree on the place before a loop within the drive is '
        'published.',
        minimum=1,
        maximum=100,
    )
    sequence: float = setting(
        0.0,
        'Metres of driving along which images must keep coming back to places that are passed at '
        'the same rate, to verify a loop where they fall short of the geometric check but have '
        'half the inliers that it wants; 0 asks for geometry always.',
        minimum=0,
        maximum=10_000,
    )
    agreement: float = setting(
        3.0,
        'How far apart in metres, beyond what the robot has driven between two images, the '
        'places that they came back to may be, and still agree.',
        minimum=0,
        maximum=10_000,
    )
    min_probability: float = setting(
        0.5,
        'Least probability of a published closure, where it is known.',
        minimum=0.01,
        maximum=0.99,
    )
    min_information_gain_bits: float = setting(
        1.0,
        'Bits that a closure must tell about where the robot is, for each axis, over the odometry '
        'and the closures published before; 0 publishes every verified pair of keyframes.',
        minimum=0,
        maximum=100,
    )
    odometry_stddev: float = setting(
        0.1,
        'Standard deviation of the odometry after one metre, in metres; grows with the root of '
        'the path.',
        minimum=0.0001,
        maximum=100,
    )
    odometry_turn_stddev: float = setting(
        1.0,
        'The same of its rotation, in degrees: what the baseline of two keyframes is worth that a '
        'transform is measured by.',
        minimum=0.0001,
        maximum=180,
    )
    closure_stddev: float = setting(
        0.2,
        'Standard deviation of what a closure says of the position, in metres.',
        minimum=0.0001,
        maximum=1000,
    )
    target_rejection_rate: float = setting(
        0.05,
        'Share of published closures that the back-end may reject: the feedback moves the '
        'threshold until it does.',
        minimum=0.001,
        maximum=0.5,
    )
    feedback_step: float = setting(
        0.25,
        'How far one rejection raises the threshold, in doublings of the inliers or of the odds; '
        '0 leaves it where it is.',
        minimum=0,
        maximum=2,
    )
