"""Settings of the recognition: network, retrieval, verification, storage."""

from __future__ import annotations

from dataclasses import dataclass, field

from fol_vpr.config.declaration import Checked, setting
from fol_vpr.config.loops import LoopsConfig


@dataclass(frozen=True)
class NetworkConfig(Checked):
    """The network, its device, and the size of its input."""

    weights: str = setting(
        'fol_tiny',
        'Weights of the network: a .pth or .safetensors file, or a name that `fol_vpr weights '
        'list` shows. fol_tiny and fol_small come with the package and are meant for trials; for '
        "real work fetch the authors' weights. With a network.runtime other than torch, also the "
        '.onnx file that `fol_vpr export onnx` wrote.',
    )
    runtime: str = setting(
        'torch',
        'Library that runs the network: torch, which loads the weights; onnxruntime or openvino, '
        'which load the .onnx file that `fol_vpr export onnx` wrote, and work where torch is not '
        'installed. A map that was built with one runtime can be used with the others.',
        choices=('torch', 'onnxruntime', 'openvino'),
    )
    device: str = setting(
        'auto',
        'Device that the network runs on: cpu, cuda, cuda:N, or auto, which takes CUDA where it '
        'is available and the CPU otherwise. With network.runtime onnxruntime, tensorrt and '
        'openvino as well, and auto takes the first of tensorrt, cuda, openvino and cpu that the '
        'installed package has. With network.runtime openvino: cpu, gpu, gpu:N, npu, or auto, '
        'which takes the GPU where there is one.',
    )
    precision: str = setting(
        'auto',
        'Number format of the matrix products in the network: float32, bfloat16, float16, '
        'int8, or auto, which takes bfloat16 on CUDA and on CPUs that multiply it faster (AMX; '
        'AVX-512 BF16 and Arm BF16 after a trial of some milliseconds), and float32 on others, '
        'and logs why. A map made in one of float32, bfloat16 and float16 works with another. '
        'int8 runs on CPUs with AVX-512 VNNI or AVX VNNI only, takes less time than float32 '
        'there and more than bfloat16 with AMX, and changes descriptors slightly; elsewhere it '
        'is refused.',
        choices=('auto', 'float32', 'bfloat16', 'float16', 'int8'),
    )
    resize: str = setting(
        'fixed',
        'How an image is brought to the input of the network: fixed stretches it to a square of '
        'network.input_size pixels, as the released evaluation does; keep_aspect keeps its '
        'aspect ratio, with about the same number of pixels.',
        choices=('fixed', 'keep_aspect'),
    )
    input_size: int = setting(
        0,
        'Side of the network input in pixels, a multiple of 14 and at least 126. 0 takes the '
        "size that the weights were trained for (322 for the authors' weights). Larger takes "
        'more time and memory.',
        minimum=0,
        maximum=2800,
    )
    threads: int = setting(
        0,
        'Number of CPU threads that network.runtime uses; 0 leaves the number to it. torch then '
        'runs a small network in bfloat16 on a processor with AMX on one thread.',
        minimum=0,
        maximum=1024,
    )


@dataclass(frozen=True)
class RetrievalConfig(Checked):
    """The global search in the map, and the re-ranking of its candidates."""

    candidates: int = setting(
        100,
        'Number of references that the global search returns as candidates for an image, those '
        'of the largest similarity. Larger misses fewer places and takes more time.',
        minimum=1,
        maximum=10_000,
    )
    index: str = setting(
        'auto',
        'Search index of the global descriptors. flat compares all on the CPU; bytes does so '
        'faster and in a quarter of the memory, with descriptors rounded to 8 bits per number; '
        'large is approximate, meant for maps of many thousand places, and stores its index in a '
        'file beside the map; gpu compares all on the device of the network; milvus searches on '
        'a server. auto takes milvus where retrieval.index_uri is set, else gpu where the device '
        'of the network has room, else flat or large by the size of the map, and logs its '
        'choice.',
        choices=('auto', 'flat', 'bytes', 'large', 'gpu', 'milvus'),
    )
    index_uri: str = setting(
        '',
        'Address of the Milvus server that searches the map, http://HOST:19530 (https:// with '
        'TLS; with /DATABASE and ?token=USER:PASSWORD behind it where it requires them), or a '
        'file that ends in .db for Milvus Lite. Each map gets its own collection there. Empty '
        'searches without Milvus.',
    )
    index_timeout: float = setting(
        2.0,
        'Seconds that a search on the Milvus server may take, and writing or deleting a place '
        'there. A server that takes longer, or fails, is not asked again until it answers in the '
        'background; meanwhile a local index is searched: that of a file beside the map, which '
        'retrieval.index large writes, or one in memory where the descriptors take up to '
        '403 MB. Larger waits longer for a slow network.',
        minimum=0.01,
        maximum=600,
    )
    index_load_timeout: float = setting(
        30.0,
        'Seconds that each call to the Milvus server may take by which the map is compared with '
        'it and uploaded, 256 places at a time. Larger allows for a slow network.',
        minimum=0.1,
        maximum=3600,
    )
    rerank: int = setting(
        20,
        'Maximum number of candidates, the most similar first, that are re-ranked by local '
        'matching; 0 turns re-ranking off. Larger takes more time.',
        minimum=0,
        maximum=10_000,
    )
    rerank_score: str = setting(
        'spatial',
        'Score that re-ranking orders candidates by. spatial: how far the cosines of the local '
        'matches exceed retrieval.match_threshold and how well the matches agree on one '
        'displacement, plus retrieval.similarity_weight times the relative similarity. '
        'match_count: the number of local matches, as in the released code; each of the '
        'retrieval.rerank candidates is matched.',
        choices=('spatial', 'match_count'),
    )
    similarity_weight: float = setting(
        0.6,
        'Factor by which the similarity of the global descriptors counts in the re-ranking score '
        '`spatial`, against the score of the local matches. 0 ranks by local matches alone; '
        'larger follows the order of the global search more.',
        minimum=0,
        maximum=100,
    )
    min_relative_similarity: float = setting(
        0.3,
        'Candidates whose similarity is below this fraction of the range between the median and '
        'the best candidate are not matched locally and keep their place behind the others. '
        'Larger matches fewer candidates and takes less time. Has no effect where '
        'retrieval.rerank_score is match_count.',
        minimum=-1000,
        maximum=1,
    )
    shortlist: int = setting(
        6,
        'Maximum number of candidates per image that are matched with all their local '
        'features. To choose them, the retrieval.rerank candidates are first matched with a '
        'small, evenly spread part of the local features, which is quick; the rest keep the '
        'order of this first match. 0 matches all with all features. Larger finds the right '
        'place more often and takes more time. Has no effect where retrieval.rerank_score is '
        'match_count or the map has the codec compact or tiny.',
        minimum=0,
        maximum=10_000,
    )
    hypotheses: int = setting(
        10,
        'Maximum number of place hypotheses that are published per image.',
        minimum=1,
        maximum=1000,
    )
    match_threshold: float = setting(
        0.7,
        'Minimum cosine of two local descriptors that count as a match. Larger gives fewer '
        'matches, of which more are right.',
        minimum=-1,
        maximum=1,
    )


@dataclass(frozen=True)
class VerificationConfig(Checked):
    """Geometric verification, and what it takes to decide LOCALIZED or NOT_IN_MAP."""

    verify: int = setting(
        3,
        'Number of hypotheses per image that are verified geometrically: the leading ones, and '
        'the best of another place among them. Larger takes more time. 0 turns verification off; '
        'then no loop closure with the map is published, and a map without a calibration never '
        'gives LOCALIZED.',
        minimum=0,
        maximum=1000,
    )
    min_inliers: int = setting(
        40,
        'Minimum number of local matches between two images that must agree with one motion of '
        'the camera (inliers of the fundamental or essential matrix) for the pair to pass '
        'geometric verification. Larger accepts fewer pairs.',
        minimum=8,
        maximum=100_000,
    )
    min_inlier_ratio: float = setting(
        0.35,
        'Minimum fraction of the local matches between two images that must be inliers for the '
        'pair to pass geometric verification. Larger accepts fewer pairs.',
        minimum=0,
        maximum=1,
    )
    min_regions: int = setting(
        20,
        'Minimum number of image cells (squares with a side of 1/24 of the longer side) that the '
        'inliers must cover in both images for the pair to pass geometric verification. Larger '
        'demands inliers that are spread wider.',
        minimum=1,
        maximum=576,
    )
    inlier_threshold: float = setting(
        4.0,
        'Maximum distance in pixels of a match from its epipolar line to count as an inlier, '
        'with the longer side of the image scaled to 640 pixels. Larger accepts less exact '
        'matches.',
        minimum=0.1,
        maximum=100,
    )
    probability: float = setting(
        0.95,
        'Probability that a statement must reach: that the robot is at a place (LOCALIZED), at '
        'one of two places (AMBIGUOUS), or outside the map (NOT_IN_MAP). Larger gives fewer and '
        'more reliable statements, and more UNKNOWN. In a map without a calibration (`fol_vpr '
        'calibrate`) the value compared with it is a conservative score and no probability.',
        minimum=0.5,
        maximum=0.9999,
    )
    refine_pose: bool = setting(
        True,
        'Measure the pose relative to the matched image from the image pixels, for the leading '
        'hypothesis that passed geometric verification and for loop closures within the drive. '
        'Needs the calibrations of both cameras and the images stored in the map or session '
        'file.',
    )
    pose_rate: float = setting(
        0.0,
        'Maximum number of images per second, by their stamps, whose pose is measured; 0 measures '
        'every image. Of the others, the hypotheses carry the pose of the map image '
        '(POSE_OF_MAP_IMAGE). Published loop closures, and single images outside a stream, are '
        'measured in any case. Smaller takes less time.',
        minimum=0,
        maximum=1000,
    )
    second_views: int = setting(
        3,
        'Maximum number of further stored images near the matched one that are tried, one after '
        'the other, until a relative pose in metres results (POSE_REFINED). 0 measures the '
        'direction of the translation only. Larger succeeds more often and takes more time.',
        minimum=0,
        maximum=20,
    )
    consecutive: int = setting(
        3,
        'Number of images that must have supported a place, not necessarily in a row, before '
        'the state becomes LOCALIZED, and of images since the start of the sequence before it '
        'becomes NOT_IN_MAP. Larger answers later and more reliably.',
        minimum=1,
        maximum=100,
    )
    max_gap: float = setting(
        5.0,
        'Maximum time in seconds between two images of one sequence. After a longer gap the '
        'evidence of all earlier images is discarded.',
        minimum=0,
        maximum=3600,
    )
    speed: float = setting(
        3.0,
        'Speed in metres per second that the robot is assumed to move at, at most, between two '
        'images without odometry. Larger allows places that are farther from the last one.',
        minimum=0,
        maximum=1000,
    )
    place_radius: float = setting(
        10.0,
        'Distance in metres within which two references count as the same place, where the map '
        'has positions. Larger joins more references into one place.',
        minimum=0,
        maximum=1_000_000,
    )
    place_index_gap: int = setting(
        5,
        'Number of references by which two references of one session may be apart in its order '
        'and still count as the same place, where the map has no positions. Larger joins more '
        'references into one place.',
        minimum=0,
    )


@dataclass(frozen=True)
class StorageConfig(Checked):
    """Memory that the loaded map takes, and files beside the map."""

    memory_budget: int = setting(
        0,
        'Memory in megabytes (1e6 bytes) that the loaded map may take; 0 allows '
        'storage.memory_share of the available memory. For a map that does not fit, the node '
        'takes a smaller search index where retrieval.index is auto, and reads local features '
        'from the file where storage.local_features is auto; otherwise it refuses the map.',
        minimum=0,
    )
    memory_share: float = setting(
        0.6,
        'Fraction of the available memory that the loaded map may take where '
        'storage.memory_budget is 0.',
        minimum=0.01,
        maximum=1,
    )
    local_features: str = setting(
        'file',
        'Where the local features of the loaded map are held: file reads the features of a '
        'candidate when it is matched; memory reads all when the map is loaded, which is faster; '
        'auto takes memory where they fit the memory budget, and file otherwise.',
        choices=('auto', 'file', 'memory'),
    )
    record_hits: bool = setting(
        False,
        'Count in the file MAP.hits, beside the map, how often each place passes geometric '
        'verification, for `fol_vpr map prune MAP --never-hit --output NEW`.',
    )


@dataclass(frozen=True)
class RecognizerConfig:
    """All settings of `PlaceRecognizer`.

    Attributes:
        scale: of the surroundings, a key of `SCALES`; empty takes that of the map.
        given: names of the settings that the user gave, such as `verification.place_radius`. Of
            the others, those of `map_settings` are taken from the map. None takes the settings
            that differ from their default as given.
    """

    network: NetworkConfig = NetworkConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    verification: VerificationConfig = VerificationConfig()
    storage: StorageConfig = StorageConfig()
    loops: LoopsConfig = field(default_factory=LoopsConfig)
    scale: str = ''
    given: frozenset[str] | None = None
