"""How maps are built and pruned."""

from __future__ import annotations

from dataclasses import dataclass

from fol_vpr.config.setting import Checked, setting


@dataclass(frozen=True)
class MappingConfig(Checked):
    """How a bag becomes a map. Image folders are taken whole."""

    keyframe_distance: float = setting(
        1.0, 'Metres driven between keyframes.', minimum=0, maximum=10_000
    )
    keyframe_angle: float = setting(
        15.0, 'Degrees turned between keyframes.', minimum=0, maximum=360
    )
    keyframe_interval: float = setting(
        1.0, 'Seconds between keyframes where the bag has no poses.', minimum=0, maximum=3600
    )
    max_pose_gap: float = setting(
        0.5,
        'Longest time between two poses that an image may be interpolated across, in seconds.',
        minimum=0,
        maximum=60,
    )
    frame_id: str = setting(
        '',
        'Name of the frame that the poses are in, as the map will publish them; empty takes that '
        'of the poses, and map where there are none or where they are odometry.',
    )
    codec: str = setting(
        'fine',
        'How local features are stored: float32 and float16 keep all; fine keeps a quarter of the '
        'rows, compact a sixteenth, in 8 bits a number; tiny the same sixteenth in 1 bit.',
        choices=('float32', 'float16', 'fine', 'compact', 'tiny'),
    )
    store_images: bool = setting(True, 'Keep a JPEG of every reference in the map.')
    batch: int = setting(
        0,
        'Images that the network describes together; 0 is 16 on CUDA, and 1 on the CPU, which '
        'gains nothing by more.',
        minimum=0,
        maximum=256,
    )


@dataclass(frozen=True)
class PruningConfig(Checked):
    """Which places of a map are not needed."""

    never_hit: bool = setting(
        False,
        'Drop places that were never recognised while storage.record_hits was on.',
    )
    redundant: bool = setting(
        False, 'Drop places that others stand for, so that each dropped one has a like one left.'
    )
    similarity: float = setting(
        0.8,
        'Least cosine of the global descriptors of places that stand for each other.',
        minimum=-1,
        maximum=1,
    )
    radius: float = setting(
        3.0,
        'Longest distance between them in metres, where the map has poses.',
        minimum=0,
    )
    angle: float = setting(
        30.0,
        'Largest difference of their orientations in degrees, where the map has them.',
        minimum=0,
        maximum=180,
    )
