"""Settings of the images that are learned from, of their augmentation, and of validation."""

from __future__ import annotations

from dataclasses import dataclass

from fol_vpr.config import Checked, setting
from fol_vpr.errors import InputError


@dataclass(frozen=True)
class GsvCitiesSource(Checked):
    """GSV-Cities as published: Dataframes/*.csv and Images/<City>/*.jpg (kind: gsv_cities)."""

    path: str = setting('', 'Folder with Dataframes/ and Images/.')
    cities: tuple[str, ...] = setting((), 'Names of cities; none takes all.')
    min_images: int = setting(4, 'Places with fewer images are left out.', minimum=2)
    repeat: int = setting(1, 'How often each place comes in an epoch.', minimum=1)


@dataclass(frozen=True)
class FoldersSource(Checked):
    """A folder for each place, as the town writes them: ROOT/<place>/*.jpg (kind: folders)."""

    path: str = setting('', 'Folder that holds one folder of images for each place.')
    include: tuple[str, ...] = setting((), 'Patterns of folder names to take; none takes all.')
    exclude: tuple[str, ...] = setting((), 'Patterns of folder names to leave out.')
    min_images: int = setting(2, 'Places with fewer images are left out.', minimum=2)
    repeat: int = setting(1, 'How often each place comes in an epoch.', minimum=1)


@dataclass(frozen=True)
class VideosSource(Checked):
    """Numbered frames of videos; neighbouring frames show one place (kind: videos)."""

    path: str = setting('', 'Folder, with subfolders or without, of files <video>_<number>.jpg.')
    window: int = setting(4, 'Frames in a row that show one place.', minimum=2)
    stride: int = setting(4, 'Frames from one place to the next.', minimum=1)
    margin: int = setting(
        8,
        'Places of one video with fewer frames between them never meet in a batch, because they '
        'may show the same things.',
        minimum=0,
    )
    include: tuple[str, ...] = setting(
        (), 'Patterns of paths from the folder to take; none takes all.'
    )
    exclude: tuple[str, ...] = setting((), 'Patterns of paths to leave out.')
    repeat: int = setting(1, 'How often each place comes in an epoch.', minimum=1)


@dataclass(frozen=True)
class DrivesSource(Checked):
    """Bags or image folders with poses, or drives of a data set, of one frame (kind: drives)."""

    paths: tuple[str, ...] = setting((), 'Bags or image folders whose poses are in one frame.')
    dataset: str = setting(
        '',
        'Name of the data set that all paths are drives or parts of, as of `--dataset` '
        '(docs/how-to/datasets.md). Empty takes bags and folders as they are.',
    )
    image_topic: str = setting(
        '', 'Image topic of the bags. Empty takes the only image topic that a bag has.'
    )
    pose_topic: str = setting('', 'Topic of the bags with the poses of the robot.')
    positions: tuple[str, ...] = setting(
        (), 'CSV files with the positions of image folders, one for each path.'
    )
    begin: str = setting(
        '',
        'Images before this time are left out of each drive: seconds from its start, or a stamp '
        'in s, ms, us or ns; numbers from 100,000,000 on are stamps.',
    )
    end: str = setting('', 'Images after this time are left out of each drive.')
    stamps: str = setting(
        'header',
        'Time of the messages of bags: the stamp of their header, or when they were recorded.',
        choices=('header', 'reception'),
    )
    max_pose_gap: float = setting(
        0.0,
        'Maximum time in seconds between two poses of a bag to interpolate; 0 takes 0.5, and 2.5 '
        'for satellite fixes.',
        minimum=0,
        maximum=60,
    )
    radius: float = setting(
        4.0,
        'Greatest distance in metres between the first image of a place and its others.',
        minimum=0,
    )
    angle: float = setting(
        30.0,
        'Greatest angle in degrees between the first image of a place and its others.',
        minimum=0,
        maximum=180,
    )
    spacing: float = setting(
        4.0,
        'Metres between the first images of two places that look the same way.',
        minimum=0,
    )
    separation: float = setting(
        25.0,
        'Places closer than this never meet in a batch, because they may show the same things.',
        minimum=0,
    )
    step: float = setting(
        0.5,
        'Metres driven between images that are taken from a bag or a drive of a data set.',
        minimum=0,
        maximum=1000,
    )
    turn: float = setting(
        10.0,
        'Degrees turned between images that are taken from such a drive.',
        minimum=0,
        maximum=360,
    )
    min_images: int = setting(2, 'Places with fewer images are left out.', minimum=2)
    repeat: int = setting(1, 'How often each place comes in an epoch.', minimum=1)


@dataclass(frozen=True)
class VprSource(Checked):
    """The layout of VPR benchmarks, for validation: database/ and queries/ (kind: vpr)."""

    path: str = setting('', 'Folder with database/ and queries/, of files @utm_east@utm_north@...')
    radius: float = setting(25.0, 'Metres within which a reference is a positive.', minimum=0)


@dataclass(frozen=True)
class PairSource(Checked):
    """A folder of references, one of queries, and a CSV of positives (kind: pair)."""

    reference: str = setting('', 'Folder of references.')
    query: str = setting('', 'Folder of queries.')
    ground_truth: str = setting(
        '', 'CSV with the columns query_index,ref_indices, or a .npy as VPR-Bench has it.'
    )


PlaceSource = GsvCitiesSource | FoldersSource | VideosSource | DrivesSource
"""What can be learned from."""
ValidationSource = PlaceSource | VprSource | PairSource
"""What can be validated on. The middle image of each place is its reference, but of several drives
the first one has the references, and all others ask."""

KINDS: dict[str, type[Checked]] = {
    'gsv_cities': GsvCitiesSource,
    'folders': FoldersSource,
    'videos': VideosSource,
    'drives': DrivesSource,
    'vpr': VprSource,
    'pair': PairSource,
}


@dataclass(frozen=True)
class DataConfig(Checked):
    """Which images are learned from, and how batches are made of them."""

    train: tuple[PlaceSource, ...] = setting((), 'Sources of places.')
    places: int = setting(60, 'Places in a batch, of all processes together.', minimum=2)
    images: int = setting(4, 'Images of each place in a batch.', minimum=2)
    twins: bool = setting(
        False,
        'Let the second image of each place be the same photograph as the first, changed in '
        'another way, so that it is known which of their points belong together (losses.twins).',
    )
    day_and_night: float = setting(
        0.0,
        'Share of the places of a batch that are shown by day and by night: in images of both '
        'where a place has them (`dark`), else with its last image turned into night (section '
        '`night`). Images of the other places are drawn as they come.',
        minimum=0,
        maximum=1,
    )
    dark: tuple[str, ...] = setting(
        ('*_dark.*',), 'Patterns of the names of images that were taken at night.'
    )
    batches: int = setting(
        0, 'Batches in an epoch; 0 takes as many as give each place once.', minimum=0
    )
    confusing: int = setting(
        1,
        'Size of the groups of places with similar descriptors that are put into one batch (hard '
        'negatives); 1 composes batches at random.',
        minimum=1,
    )
    cache: str = setting(
        '',
        'Folder for decoded images of the kinds folders, videos and gsv_cities, so that each is '
        'decoded once; empty decodes them each time.',
    )
    cache_gib: float = setting(
        8.0, 'Most that the decoded images of a source take in `cache`, in GiB.', minimum=0
    )
    workers: int = setting(
        2, 'Processes that read images; 0 reads them in the training process.', minimum=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.twins and self.day_and_night and self.images < 3:
            raise InputError(
                f'images is {self.images}, expected 3 or more with both twins and day_and_night: '
                'two are one photograph, and a third is taken at night'
            )


@dataclass(frozen=True)
class AugmentationConfig(Checked):
    """How training images are changed, so that what does not matter does not count."""

    strength: float = setting(
        1.0,
        'Factor of the amounts and probabilities of all changes of an image; 0 changes nothing.',
        minimum=0,
        maximum=3,
    )
    crop: float = setting(
        0.4, 'Largest share of the area that a crop leaves out.', minimum=0, maximum=0.9
    )
    aspect: float = setting(
        0.15, 'Largest change of the aspect ratio, as a logarithm.', minimum=0, maximum=1
    )
    perspective: float = setting(
        0.1, 'How far corners move, as a share of the side.', minimum=0, maximum=0.3
    )
    rotation: float = setting(4.0, 'Largest rotation in degrees.', minimum=0, maximum=45)
    mirror: float = setting(
        0.5,
        'Probability of mirroring all images of a place: a mirrored place is a place, too.',
        minimum=0,
        maximum=1,
    )
    brightness: float = setting(
        0.3, 'Largest change of brightness, as a share.', minimum=0, maximum=1
    )
    contrast: float = setting(0.3, 'Largest change of contrast, as a share.', minimum=0, maximum=1)
    gamma: float = setting(
        0.5, 'Largest change of gamma, as a logarithm: night and glare.', minimum=0, maximum=2
    )
    saturation: float = setting(
        0.4, 'Largest change of saturation, as a share.', minimum=0, maximum=1
    )
    tint: float = setting(
        0.08, 'Largest change of each colour channel, as a share.', minimum=0, maximum=0.5
    )
    grey: float = setting(0.1, 'Probability of losing all colour.', minimum=0, maximum=1)
    shade: float = setting(
        0.3, 'Probability of a shadow or a glare over a part of the image.', minimum=0, maximum=1
    )
    blur: float = setting(
        0.2, 'Probability of blur, of the lens or by motion.', minimum=0, maximum=1
    )
    noise: float = setting(0.3, 'Probability of sensor noise.', minimum=0, maximum=1)
    jpeg: float = setting(0.2, 'Probability of hard JPEG compression.', minimum=0, maximum=1)
    occluder: float = setting(
        0.3, 'Probability that a patch covers a part of the image.', minimum=0, maximum=1
    )


@dataclass(frozen=True)
class ValidationConfig(Checked):
    """What the best checkpoint is chosen by; never the sets that measure the result."""

    sets: tuple[ValidationSource, ...] = setting((), 'Sources of references and queries.')
    together: bool = setting(
        False,
        'Ask the queries of all sets in one map, of their references and those of '
        'validation.distractors. Small maps hide what a global descriptor is worth: each right '
        'place is among the few candidates that are re-ranked.',
    )
    distractors: tuple[ValidationSource, ...] = setting(
        (),
        'Sources whose references fill the map of validation.together. Nothing is asked of '
        'them, so that they may be learned from.',
    )
    every: int = setting(1, 'Epochs between validations.', minimum=1)
    minutes: float = setting(
        0.0, 'Least minutes between two validations, beside `every`.', minimum=0
    )
    select: str = setting(
        'reranked',
        'Ranking whose Recall@1, averaged over the sets, chooses the best checkpoint: before '
        're-ranking (global) or after it (reranked).',
        choices=('global', 'reranked'),
    )
    rerank: int = setting(
        20, 'Candidates that are re-ranked; 0 turns it off.', minimum=0, maximum=1000
    )
    queries: int = setting(
        0, 'Queries of each set, evenly taken from all; 0 takes all.', minimum=0
    )
