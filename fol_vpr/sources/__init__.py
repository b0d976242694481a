"""Image folders and bags as sources of frames. Needs neither torch nor rclpy.

Names that need the libraries of bags are imported when they are first used: these libraries take
longer to import than one image takes to be answered.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fol_vpr.sources.cameras import (
    FileCalibration,
    binning_hint,
    camera_from_info,
    camera_of_images,
    configured_calibration,
    configured_camera,
    image_size,
    is_rectified,
    read_calibration,
    size_mismatch,
    wrong_size,
)
from fol_vpr.sources.folder import ImageFolder, read_image_file
from fol_vpr.sources.images.decode import decode_bytes, decode_image
from fol_vpr.sources.images.photograph import ImageLike, frame_of, images_of, read_photograph
from fol_vpr.sources.images.stream import StreamDecoder
from fol_vpr.sources.source import Capture, FrameSelector, FrameSource, OnBad

if TYPE_CHECKING:
    from fol_vpr.sources.bags.bag import Bag, Message, Topic, deserialize, typestore
    from fol_vpr.sources.bags.camera import BagCamera
    from fol_vpr.sources.bags.images import BagImages
    from fol_vpr.sources.bags.topics import choose_image_topic
    from fol_vpr.sources.bags.writing.from_images import BagSummary, write_bag_from_images
    from fol_vpr.sources.bags.writing.from_video import write_bag_from_video
    from fol_vpr.sources.bags.writing.writer import TimedMessage, write_bag
    from fol_vpr.sources.datasets import READERS as DATASETS
    from fol_vpr.sources.datasets import DatasetImages, open_dataset
    from fol_vpr.sources.opening import is_bag, open_source

__all__ = [
    'DATASETS',
    'Bag',
    'BagCamera',
    'BagImages',
    'BagSummary',
    'Capture',
    'DatasetImages',
    'FileCalibration',
    'FrameSelector',
    'FrameSource',
    'ImageFolder',
    'ImageLike',
    'Message',
    'OnBad',
    'StreamDecoder',
    'TimedMessage',
    'Topic',
    'binning_hint',
    'camera_from_info',
    'camera_of_images',
    'choose_image_topic',
    'configured_calibration',
    'configured_camera',
    'decode_bytes',
    'decode_image',
    'deserialize',
    'frame_of',
    'image_size',
    'images_of',
    'is_bag',
    'is_rectified',
    'open_dataset',
    'open_source',
    'read_calibration',
    'read_image_file',
    'read_photograph',
    'size_mismatch',
    'typestore',
    'write_bag',
    'write_bag_from_images',
    'write_bag_from_video',
    'wrong_size',
]

_LATE = {
    'Bag': ('bags.bag', 'Bag'),
    'Message': ('bags.bag', 'Message'),
    'Topic': ('bags.bag', 'Topic'),
    'deserialize': ('bags.bag', 'deserialize'),
    'typestore': ('bags.bag', 'typestore'),
    'BagCamera': ('bags.camera', 'BagCamera'),
    'BagImages': ('bags.images', 'BagImages'),
    'choose_image_topic': ('bags.topics', 'choose_image_topic'),
    'BagSummary': ('bags.writing.from_images', 'BagSummary'),
    'write_bag_from_images': ('bags.writing.from_images', 'write_bag_from_images'),
    'write_bag_from_video': ('bags.writing.from_video', 'write_bag_from_video'),
    'TimedMessage': ('bags.writing.writer', 'TimedMessage'),
    'write_bag': ('bags.writing.writer', 'write_bag'),
    'DATASETS': ('datasets', 'READERS'),
    'DatasetImages': ('datasets', 'DatasetImages'),
    'open_dataset': ('datasets', 'open_dataset'),
    'is_bag': ('opening', 'is_bag'),
    'open_source': ('opening', 'open_source'),
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    module, attribute = _LATE[name]
    return getattr(importlib.import_module(f'{__name__}.{module}'), attribute)
