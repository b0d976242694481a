"""Every setting and its default, one frozen dataclass for each part.

This is the only home of default values: the node's parameters, the command line and the
documentation take name, default, range and description from here. Descriptions are written for
the person who sets them.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from typing import Any

from fol_vpr.errors import InputError


def setting(
    default: Any,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    read_only: bool = False,
) -> Any:
    """A dataclass field that carries what users are told about it."""
    return field(
        default=default,
        metadata={
            'description': description,
            'minimum': minimum,
            'maximum': maximum,
            'choices': choices,
            'read_only': read_only,
        },
    )


class Checked:
    """Validates every field against the range or choices that `setting` declared for it."""

    def __post_init__(self) -> None:
        for spec in fields(self):  # type: ignore[arg-type]
            check_setting(spec, getattr(self, spec.name))


def check_setting(spec: Field[Any], value: Any) -> None:
    """Raise InputError, naming the setting, where `value` is outside what `spec` allows."""
    meta = spec.metadata
    if meta.get('choices') and value not in meta['choices']:
        raise InputError(f'{spec.name} is {value!r}, expected one of {", ".join(meta["choices"])}')
    low, high = meta.get('minimum'), meta.get('maximum')
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        too_low = low is not None and not value >= low
        too_high = high is not None and not value <= high
        if too_low or too_high:
            bounds = f'at least {low}' if high is None else f'from {low} to {high}'
            raise InputError(f'{spec.name} is {value}, expected {bounds}')


@dataclass(frozen=True)
class NetworkConfig(Checked):
    """Which network runs, where, and on what size of image."""

    weights: str = setting(
        'fol_tiny',
        'Weights: a .pth or .safetensors file, or a name that `fol_vpr weights list` shows. '
        'fol_tiny comes with the package and is for trying things out; for real work fetch the '
        "authors' weights.",
    )
    device: str = setting('auto', 'auto (CUDA where there is one, else cpu), cpu, cuda, cuda:N.')
    precision: str = setting(
        'auto',
        'auto is bfloat16 on CUDA and float32 on the CPU.',
        choices=('auto', 'float32', 'bfloat16', 'float16'),
    )
    resize: str = setting(
        'fixed',
        'fixed squeezes the image to input_size x input_size, as the released evaluation does; '
        'keep_aspect keeps its aspect ratio at about the same number of pixels.',
        choices=('fixed', 'keep_aspect'),
    )
    input_size: int = setting(
        0,
        'Side of the network input in pixels, a multiple of 14 from 126; 0 takes what the weights '
        "were made for, 322 for the authors'.",
        minimum=0,
        maximum=2800,
    )
    threads: int = setting(0, 'CPU threads; 0 leaves it to torch.', minimum=0, maximum=1024)


@dataclass(frozen=True)
class RetrievalConfig(Checked):
    """How many references are looked at, and how closely."""

    candidates: int = setting(
        100, 'References taken from the global search.', minimum=1, maximum=10_000
    )
    index: str = setting(
        'auto',
        'How they are searched: flat compares all on the CPU; large is for maps of many thousand '
        'places, and keeps its index in a file beside the map; gpu compares all on the device of '
        'the network; milvus searches on a server. auto is milvus where index_uri is set, else '
        'gpu where the network runs on one that has room, else flat or large by the size of the '
        'map; it says which and why.',
        choices=('auto', 'flat', 'large', 'gpu', 'milvus'),
    )
    index_uri: str = setting(
        '',
        'Milvus server, http://HOST:19530 (with ?token=USER:PASSWORD where it wants one), or a '
        'file that ends in .db for Milvus Lite. Each map has a collection of its own there.',
    )
    rerank: int = setting(
        20,
        'How many of them at most, best first, are re-ordered by local matching; 0 turns it off.',
        minimum=0,
        maximum=10_000,
    )
    order: str = setting(
        'evidence',
        'evidence orders them by how far their matches are over the threshold, together with the '
        'similarity; matches by the number of matches alone, as the released code does, and looks '
        'at all of them.',
        choices=('evidence', 'matches'),
    )
    similarity_weight: float = setting(
        0.15,
        'What the similarity counts in the evidence; 0 leaves local matching alone to decide.',
        minimum=0,
        maximum=100,
    )
    least_standing: float = setting(
        0.3,
        'Candidates whose similarity is below this share of the way from the median candidate (0) '
        'to the best one (1) are beyond doubt, and are not matched.',
        minimum=-1000,
        maximum=1,
    )
    hypotheses: int = setting(10, 'Hypotheses published per image.', minimum=1, maximum=1000)
    match_threshold: float = setting(
        0.7, 'Least cosine of two local descriptors that count as a match.', minimum=-1, maximum=1
    )


@dataclass(frozen=True)
class VerificationConfig(Checked):
    """When a hypothesis is believed."""

    verify: int = setting(
        3,
        'How many leading hypotheses are checked geometrically; 0 turns it off.',
        minimum=0,
        maximum=1000,
    )
    min_inliers: int = setting(
        40, 'Inliers of the fundamental matrix that verify a pair.', minimum=8, maximum=100_000
    )
    min_inlier_ratio: float = setting(
        0.35, 'Share of the local matches that must be inliers.', minimum=0, maximum=1
    )
    min_regions: int = setting(
        20,
        'Distinct image regions (cells of 1/24 of the longer side) that the inliers must cover '
        'in both images.',
        minimum=1,
        maximum=576,
    )
    inlier_threshold: float = setting(
        4.0,
        'Largest distance from the epipolar line in pixels of a 640 px wide image.',
        minimum=0.1,
        maximum=100,
    )
    consecutive: int = setting(
        3,
        'Images in a row whose verified places must agree before the state is LOCALIZED.',
        minimum=1,
        maximum=100,
    )
    max_gap: float = setting(
        5.0, 'Longest time between two of them, in seconds.', minimum=0, maximum=3600
    )
    agreement_radius: float = setting(
        10.0,
        'Places closer than this are one place, in metres, where the map has poses.',
        minimum=0,
    )
    agreement_index: int = setting(
        5, 'The same where it has none: distance in the order of one session.', minimum=0
    )


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


@dataclass(frozen=True)
class StorageConfig(Checked):
    """How a map is held, and what is written beside it."""

    memory_budget: int = setting(
        0,
        'Megabytes (1e6 bytes) that the loaded map may take; 0 allows memory_share of what is '
        'available. A map that does not fit is held in a leaner way, or refused with the numbers.',
        minimum=0,
    )
    memory_share: float = setting(
        0.6,
        'Share of the available memory that the loaded map may take where memory_budget is 0.',
        minimum=0.01,
        maximum=1,
    )
    local_features: str = setting(
        'file',
        'Where local features are held: file reads those of each candidate when they are needed; '
        'memory reads all of them once, at load; auto does that where it fits the budget.',
        choices=('auto', 'file', 'memory'),
    )
    record_hits: bool = setting(
        False,
        'Count in MAP.hits, beside the map, how often each place is recognised, for '
        '`fol_vpr map prune MAP --never-hit --output NEW`.',
    )


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
class RecognizerConfig:
    """Everything that PlaceRecognizer needs."""

    network: NetworkConfig = NetworkConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    verification: VerificationConfig = VerificationConfig()
    storage: StorageConfig = StorageConfig()


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
        'base_link', 'Frame of the robot whose pose the map holds; checked against `odom`.'
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
        '(standard deviation). Added to the covariance of ~/pose.',
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
