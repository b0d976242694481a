"""How loop closures are found, and which ones are published."""

from __future__ import annotations

from dataclasses import dataclass

from fol_vpr.config.declaration import CODECS, CODECS_EXPLAINED, Checked, setting


@dataclass(frozen=True)
class LoopsConfig(Checked):
    """Keyframes of the running drive, and which loop closures are published.

    Distances driven are measured along the path, by the odometry of the images. For images without
    odometry, they are the time that passed times `speed`.
    """

    enabled: bool = setting(
        False,
        'Store keyframes of the running drive and search them for loop closures. Loop closures '
        'with the loaded map are published even if this is false.',
    )
    session_file: str = setting(
        '',
        'Map file (.folmap) that the keyframes of the drive are written to while it runs. Where '
        "the file exists already, a number is appended to the new file's name. Empty uses a "
        'temporary file, which is removed at the end.',
        is_file=True,
    )
    frame: str = setting(
        'odom',
        'Frame id of the odometry messages. It is recorded in the session file as the frame of '
        'the poses of its keyframes, and nothing is transformed by it.',
        is_frame=True,
    )
    codec: str = setting(
        'fine',
        f'How the local features of keyframes are stored. {CODECS_EXPLAINED}',
        choices=CODECS,
    )
    store_images: bool = setting(
        True,
        'Store a JPEG of every keyframe in the session file. Without the images no relative pose '
        'of a loop closure within the drive can be measured.',
    )
    keyframe_distance: float = setting(
        1.0,
        'Distance in metres from the last keyframe, by the odometry, at which the next image '
        'becomes one; a rotation of loops.keyframe_angle makes it one too. Larger stores fewer '
        'keyframes.',
        minimum=0,
        maximum=10_000,
    )
    keyframe_angle: float = setting(
        15.0,
        'Rotation in degrees from the last keyframe, by the odometry, at which the next image '
        'becomes one; a distance of loops.keyframe_distance makes it one too. Larger stores '
        'fewer keyframes.',
        minimum=0,
        maximum=360,
    )
    keyframe_interval: float = setting(
        1.0,
        'Time in seconds from the last keyframe at which the next one is due, for images without '
        'odometry. Larger stores fewer keyframes.',
        minimum=0,
        maximum=3600,
    )
    keyframe_similarity: float = setting(
        0.6,
        'Cosine similarity to the last keyframe below which an image becomes a keyframe before '
        'loops.keyframe_interval has passed, for images without odometry. An image whose '
        'similarity is above the middle between this value and 1, as when the robot stands, '
        'never becomes one. Larger stores more keyframes.',
        minimum=-1,
        maximum=1,
    )
    skip_revisits: bool = setting(
        True,
        'Do not store an image that is verified to show an older keyframe of the drive and was '
        'taken within loops.keyframe_distance of it, as far as the odometry can tell. A route '
        'that is driven many times is then stored once. Needs odometry.',
    )
    speed: float = setting(
        1.0,
        'Speed in metres per second by which the time between two images is converted to '
        'distance driven, for images without odometry. Larger lets loops.agreement tolerate '
        'more, reaches loops.sequence sooner, and publishes more closures, because the '
        'position counts as more uncertain.',
        minimum=0,
        maximum=1000,
    )
    exclude_distance: float = setting(
        10.0,
        'Distance driven in metres before the current image within which keyframes are not '
        'searched for a loop, by the odometry. Larger ignores short loops; smaller finds '
        'neighbouring images as loops.',
        minimum=0,
        maximum=1_000_000,
    )
    exclude_time: float = setting(
        10.0,
        'Time in seconds for which a keyframe is not searched for a loop after it was taken, '
        'for images without odometry. A keyframe is searched once this time has passed and '
        'loops.exclude_keyframes later keyframes were due. Larger ignores short loops.',
        minimum=0,
        maximum=1_000_000,
    )
    exclude_keyframes: int = setting(
        5,
        'Number of later keyframes that must have been due before a keyframe is searched for a '
        'loop, for images without odometry. It is searched once loops.exclude_time has passed '
        'too. Larger ignores short loops.',
        minimum=0,
        maximum=1_000_000,
    )
    candidates: int = setting(
        10,
        'Number of keyframes that the global search returns as loop candidates for an image, '
        'those of the largest similarity. Larger misses fewer loops and takes more time.',
        minimum=1,
        maximum=10_000,
    )
    verify: int = setting(
        2,
        'Number of loop candidates per image, the best after re-ranking, that are verified '
        'geometrically. Larger misses fewer loops and takes more time.',
        minimum=1,
        maximum=1000,
    )
    consecutive: int = setting(
        2,
        'Number of images in a row that must pass geometric verification against keyframes of '
        'one place before a loop closure within the drive is published. Larger publishes fewer '
        'and more reliable closures.',
        minimum=1,
        maximum=100,
    )
    sequence: float = setting(
        0.0,
        'Distance driven in metres after which a loop within the drive is published without '
        'geometric verification: over this distance each image must match an older keyframe '
        'with at least half of verification.min_inliers, and the matched keyframes must follow '
        'each other at the pace at which the robot drives. Larger publishes fewer and more '
        'reliable closures; 0 turns this off, so that every closure needs geometric '
        'verification.',
        minimum=0,
        maximum=10_000,
    )
    agreement: float = setting(
        3.0,
        'Distance in metres, beyond the distance that the robot drove between two images in a '
        'row, up to which the older keyframes that the two images match may be apart and still '
        'count as one place; for loops.sequence, the largest difference between distance driven '
        'and distance passed. Larger publishes more loop closures and more wrong ones.',
        minimum=0,
        maximum=10_000,
    )
    min_probability: float = setting(
        0.5,
        'Probability that a loop closure with a calibrated map must exceed once the back-end '
        'has rejected closures. The more it rejects, the more is required: each doubling that '
        'loops.feedback_step adds doubles the required odds, starting from the odds of this '
        'probability. Before any rejection the probability is not compared. Larger publishes '
        'fewer closures.',
        minimum=0.01,
        maximum=0.99,
    )
    min_information_gain_bits: float = setting(
        1.0,
        'Minimum information in bits per axis that a loop closure adds to the odometry and the '
        'closures published before, about the position of the robot. Larger publishes fewer '
        'closures; 0 publishes every verified pair of keyframes once.',
        minimum=0,
        maximum=100,
    )
    odometry_stddev: float = setting(
        0.1,
        "Standard deviation in metres of the odometry's position after one metre of driving; it "
        'grows with the square root of the distance. Larger makes loop closures more '
        'informative, so that more are published, trusts the distance between two keyframes '
        'less, and lets loops.skip_revisits skip more images.',
        minimum=0.0001,
        maximum=100,
    )
    odometry_turn_stddev: float = setting(
        1.0,
        "Standard deviation in degrees of the odometry's rotation after one metre of driving; it "
        'grows with the square root of the distance. Larger trusts the pose between two '
        'keyframes less when the relative pose of a loop closure is measured in metres, and lets '
        'loops.skip_revisits skip more images.',
        minimum=0.0001,
        maximum=180,
    )
    closure_stddev: float = setting(
        0.2,
        'Standard deviation in metres of the position that one loop closure gives. Larger makes '
        'closures less informative, so that fewer are published.',
        minimum=0.0001,
        maximum=1000,
    )
    target_rejection_rate: float = setting(
        0.05,
        'Fraction of the published loop closures that the back-end may reject. Its feedback '
        'raises the threshold of evidence with each rejection and lowers it with each '
        'acceptance, so that the fraction rejected approaches this value. Larger publishes more '
        'closures and more wrong ones.',
        minimum=0.001,
        maximum=0.5,
    )
    feedback_step: float = setting(
        0.25,
        'Amount by which a loop closure that the back-end rejects raises what later closures '
        'must reach, in doublings: of verification.min_inliers for maps without a calibration '
        'and within the drive, of the odds of the probability for calibrated maps. An accepted '
        'closure lowers it by this amount times loops.target_rejection_rate. Larger reacts '
        'faster; 0 ignores the feedback.',
        minimum=0,
        maximum=2,
    )
