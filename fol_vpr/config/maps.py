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
        'Remove places that have a similar place nearby; at least one such place is kept for '
        'each place that is removed.',
    )
    similarity: float = setting(
        0.8,
        'Minimum cosine similarity of the global descriptors of two places for --redundant to '
        'keep only one of the two. Larger removes fewer places.',
        minimum=-1,
        maximum=1,
    )
    radius: float = setting(
        3.0,
        'Maximum distance in metres between two places for --redundant to keep only one of the '
        'two, where the map has poses. Larger removes more places.',
        minimum=0,
    )
    angle: float = setting(
        30.0,
        'Maximum difference in degrees between the orientations of two places for --redundant to '
        'keep only one of the two, where the map has poses. Larger removes more places.',
        minimum=0,
        maximum=180,
    )
