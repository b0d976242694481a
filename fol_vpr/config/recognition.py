"""How an image is recognised."""

from __future__ import annotations

from dataclasses import dataclass, field

from fol_vpr.config.loops import LoopsConfig
from fol_vpr.config.setting import Checked, setting


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
        'auto is bfloat16 on CUDA and float32 on the CPU. int8 is for CPUs that are fast at it, '
        'where it takes the least time.',
        choices=('auto', 'float32', 'bfloat16', 'float16', 'int8'),
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
        'How they are searched: flat compares all on the CPU; bytes does too, faster and in a '
        'quarter of the memory, by descriptors that are rounded to a byte for each number; large '
        'is for maps of many thousand places, and keeps its index in a file beside the map; gpu '
        'compares all on the device of the network; milvus searches on a server. auto is milvus '
        'where index_uri is set, else gpu where the network runs on one that has room, else flat '
        'or large by the size of the map; it says which and why.',
        choices=('auto', 'flat', 'bytes', 'large', 'gpu', 'milvus'),
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
    rerank_score: str = setting(
        'spatial',
        'Score that re-ranking orders candidates by. spatial: how far the cosines of the local '
        'matches exceed match_threshold and how well the matches agree on one displacement, plus '
        'similarity_weight times the relative similarity. match_count: the number of local '
        'matches, as in the released code; every one of the rerank candidates is matched.',
        choices=('spatial', 'match_count'),
    )
    similarity_weight: float = setting(
        0.15,
        'What the similarity counts in the evidence; 0 leaves local matching alone to decide.',
        minimum=0,
        maximum=100,
    )
    min_relative_similarity: float = setting(
        0.3,
        'Candidates whose similarity is below this share of the way from the median candidate (0) '
        'to the best one (1) are beyond doubt, and are not matched.',
        minimum=-1000,
        maximum=1,
    )
    shortlist: int = setting(
        6,
        'How many of those that are left are matched in full, after all of them were matched by '
        'the centres of patches; the others keep that coarse order behind them. 0 matches all in '
        'full.',
        minimum=0,
        maximum=10_000,
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
    probability: float = setting(
        0.95,
        'How probable a statement must be: that the robot is at the place (LOCALIZED), at one of '
        'two (AMBIGUOUS), or nowhere in the map (NOT_IN_MAP). Maps without a calibration '
        '(`fol_vpr calibrate`) go by conservative defaults, of which this is no probability.',
        minimum=0.5,
        maximum=0.9999,
    )
    refine_pose: bool = setting(
        True,
        'Measure the relative pose of the leading verified hypothesis from the images themselves, '
        'where both cameras are known and the map keeps images.',
    )
    second_views: int = setting(
        3,
        'Map images beside that hypothesis which are tried, one after the other, until a pose in '
        'metres comes out (POSE_REFINED); 0 never tries.',
        minimum=0,
        maximum=20,
    )
    consecutive: int = setting(
        3,
        'Images that must have spoken for a place before the state is LOCALIZED, or must have '
        'been seen before it is NOT_IN_MAP.',
        minimum=1,
        maximum=100,
    )
    max_gap: float = setting(
        5.0,
        'Longest time between two images that count together, in seconds.',
        minimum=0,
        maximum=3600,
    )
    speed: float = setting(
        3.0,
        'How fast the robot may move between two images, in metres a second; without odometry.',
        minimum=0,
        maximum=1000,
    )
    place_radius: float = setting(
        10.0,
        'Places closer than this are one place, in metres, where the map has poses.',
        minimum=0,
        maximum=1_000_000,
    )
    place_index_gap: int = setting(
        5, 'The same where it has none: distance in the order of one session.', minimum=0
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
class RecognizerConfig:
    """Everything that PlaceRecognizer needs."""

    network: NetworkConfig = NetworkConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    verification: VerificationConfig = VerificationConfig()
    storage: StorageConfig = StorageConfig()
    loops: LoopsConfig = field(default_factory=LoopsConfig)
