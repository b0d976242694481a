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
        'Frame id of the odometry, which the session file records as the frame of the poses of '
        'its keyframes.',
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
        'Distance in metres from the last keyframe at which the next one is due, by the '
        'odometry. Larger stores fewer keyframes.',
        minimum=0,
        maximum=10_000,
    )
    keyframe_angle: float = setting(
        15.0,
        'Rotation in degrees from the last keyframe at which the next one is due, by the '
        'odometry. Larger stores fewer keyframes.',
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
        'distance driven, for images without odometry. loops.agreement, loops.sequence and the '
        'information of a loop closure depend on that distance.',
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
        'Time in seconds before the current image within which keyframes are not searched for a '
        'loop, for images without odometry. Larger ignores short loops.',
        minimum=0,
        maximum=1_000_000,
    )
    exclude_keyframes: int = setting(
        5,
        'Number of the latest keyframes that are not searched for a loop, for images without '
        'odometry. Larger ignores short loops.',
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
        'Distance driven in metres along which images in a row must match keyframes of an older '
        'part of the drive that pass at the speed of the robot, for a loop closure to be '
        'published without geometric verification. Each image needs half of '
        'verification.min_inliers. Larger publishes fewer closures; 0 always requires geometric '
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
        'Probability to which the threshold of evidence refers for loop closures with a '
        'calibrated map: while rejections by the back-end have raised the threshold to N '
        'doublings, the odds of a closure must be at least 2^N times the odds of this '
        'probability. Larger then publishes fewer closures. Has no effect while the threshold is '
        '0, as it is without rejections.',
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
        'Amount by which the threshold of evidence rises with a loop closure that the back-end '
        'rejects, in doublings of the number of inliers or of the odds; an accepted closure '
        'lowers it by this times loops.target_rejection_rate. Larger reacts faster to the '
        'feedback of the back-end; 0 leaves the threshold unchanged.',
        minimum=0,
        maximum=2,
    )
