"""How maps are built and pruned."""

from __future__ import annotations

from dataclasses import dataclass

from fol_vpr.config.declaration import CODECS, CODECS_EXPLAINED, Checked, setting


@dataclass(frozen=True)
class MappingConfig(Checked):
    """How a map is built: which images of a bag become references, and what is stored."""

    keyframe_distance: float = setting(
        1.0,
        'Distance in metres from the last keyframe, by the poses, at which an image of a bag '
        'becomes the next one; a rotation of --keyframe-angle makes it one too. Larger makes '
        'smaller maps.',
        minimum=0,
        maximum=10_000,
    )
    keyframe_angle: float = setting(
        15.0,
        'Rotation in degrees from the last keyframe, by the poses, at which an image of a bag '
        'becomes the next one; a distance of --keyframe-distance makes it one too. Larger makes '
        'smaller maps.',
        minimum=0,
        maximum=360,
    )
    keyframe_interval: float = setting(
        1.0,
        'Time in seconds from the last keyframe at which an image of a bag becomes the next one, '
        'where the bag has no poses. Larger makes smaller maps.',
        minimum=0,
        maximum=3600,
    )
    max_pose_gap: float = setting(
        0.0,
        'Maximum time in seconds between two poses of a bag for the pose of an image between the '
        'two to be interpolated. Images in a longer gap are left out of the map. 0 takes 0.5 for '
        'poses, and 2.5 for satellite fixes: receivers give one a second and miss one, and '
        'meanwhile a robot that brakes or turns with 2 m/s² leaves the straight line by 1.6 m.',
        minimum=0,
        maximum=60,
    )
    frame_id: str = setting(
        '',
        'Name of the frame that the poses are in, which the map records and the node publishes. '
        'Empty takes the name from the poses, and `map` where they have none or are odometry.',
        is_frame=True,
    )
    codec: str = setting(
        'fine',
        f'How the local features of references are stored. {CODECS_EXPLAINED}',
        choices=CODECS,
    )
    store_images: bool = setting(
        True,
        'Store a JPEG of every reference in the map. Without the images no relative pose can be '
        'measured, and pictures of answers show the query alone.',
    )
    batch: int = setting(
        0,
        'Number of images that the network processes together. 0 takes 16 on CUDA, and 1 on the '
        'CPU, where more gain nothing. Larger takes more memory.',
        minimum=0,
        maximum=256,
    )


@dataclass(frozen=True)
class PruningConfig(Checked):
    """Which places of a map are removed."""

    never_hit: bool = setting(
        False,
        'Remove places that never passed geometric verification while a node ran with '
        'storage.record_hits set to true.',
    )
    redundant: bool = setting(
        False,
        'Remove places that are redundant: they have a similar place nearby, of which at least '
        'one is kept for each place that is removed.',
    )
    similarity: float = setting(
        0.8,
        'Minimum cosine similarity of the global descriptors of two places that are redundant. '
        'With a larger one fewer are.',
        minimum=-1,
        maximum=1,
    )
    radius: float = setting(
        3.0,
        'Maximum distance in metres between two places that are redundant, where the map has '
        'poses. With a larger one more are.',
        minimum=0,
    )
    angle: float = setting(
        30.0,
        'Maximum difference in degrees between the orientations of two places that are redundant, '
        'where the map has poses. With a larger one more are.',
        minimum=0,
        maximum=180,
    )


@dataclass(frozen=True)
class DriveMappingConfig(Checked):
    """A map that the node builds while the robot drives, instead of localizing."""

    output: str = setting(
        '',
        'Map file (.folmap) to build while the robot drives, instead of localizing. It is made '
        'with the first keyframe; an existing one is continued by another session, except with '
        'poses from odometry, where a number is appended to the name of a new file. Empty '
        'localizes.',
        is_file=True,
    )
    poses: str = setting(
        'odom',
        'Where the poses of the keyframes come from: odom takes the odometry on `odom`, which '
        'drifts; pose takes the poses on `pose` (PoseWithCovarianceStamped) of a localization or '
        'SLAM; none stores keyframes without poses, by time and appearance. With odom and pose an '
        'image without a pose is not stored.',
        choices=('odom', 'pose', 'none'),
    )
    session: str = setting(
        '',
        'Session id of the keyframes of this drive. Empty makes one of the date and the time.',
    )
    keyframe_distance: float = setting(
        1.0,
        'Distance in metres from the last keyframe at which an image becomes the next one; a '
        'rotation of mapping.keyframe_angle makes it one too. Larger makes smaller maps.',
        minimum=0,
        maximum=10_000,
    )
    keyframe_angle: float = setting(
        15.0,
        'Rotation in degrees from the last keyframe at which an image becomes the next one; a '
        'distance of mapping.keyframe_distance makes it one too. Larger makes smaller maps.',
        minimum=0,
        maximum=360,
    )
    keyframe_interval: float = setting(
        1.0,
        'Time in seconds from the last keyframe at which an image is due as the next one, where '
        'mapping.poses is none. Larger makes smaller maps.',
        minimum=0,
        maximum=3600,
    )
    keyframe_similarity: float = setting(
        0.8,
        'Cosine similarity to the last keyframe above which an image never becomes the next one, '
        'as when the robot stands, where mapping.poses is none. Larger stores more keyframes.',
        minimum=-1,
        maximum=1,
    )
    max_pose_gap: float = setting(
        0.5,
        'Maximum time in seconds between two poses for the pose of an image between the two to be '
        'interpolated. Larger is less exact where the robot turns; smaller leaves more images '
        'without a pose.',
        minimum=0,
        maximum=60,
    )
    pose_wait: float = setting(
        0.5,
        'Time in seconds for which an image waits for the first pose after it. Images that come '
        'meanwhile replace each other. Larger suits poses that come late.',
        minimum=0,
        maximum=60,
    )
    codec: str = setting(
        'fine',
        f'How the local features of the keyframes of a new map are stored. {CODECS_EXPLAINED}',
        choices=CODECS,
    )
    store_images: bool = setting(
        True,
        'Store a JPEG of every keyframe in the map. Without the images no relative pose can be '
        'measured, and pictures of answers show the query alone.',
    )
    save_timeout: float = setting(
        50.0,
        'Time in seconds that the node takes at its end to merge the keyframes of the drive into '
        'the one file of the map. What is not merged stays beside the map, belongs to it, and is '
        'read with it.',
        minimum=0,
        maximum=3600,
    )
