"""Image folders and ROS 2 bags as sources of frames. Free of torch and of rclpy."""

from fol_vpr.sources.bag import Bag, Message, Topic, deserialize, typestore
from fol_vpr.sources.bag_camera import BagCamera
from fol_vpr.sources.bag_images import BagImages
from fol_vpr.sources.bag_output import Record, write_bag
from fol_vpr.sources.bag_writer import BagSummary, write_bag_from_images
from fol_vpr.sources.cameras import (
    camera_from_info,
    given_camera,
    image_size,
    is_rectified,
    misfit,
)
from fol_vpr.sources.decode import decode_bytes, decode_image
from fol_vpr.sources.folder import ImageFolder
from fol_vpr.sources.image_topics import choose_image_topic
from fol_vpr.sources.keyframes import KeyframeSelector
from fol_vpr.sources.opening import is_bag, open_source
from fol_vpr.sources.source import Capture, FrameSource, OnBad

__all__ = [
    'Bag',
    'BagCamera',
    'BagImages',
    'BagSummary',
    'Capture',
    'FrameSource',
    'ImageFolder',
    'KeyframeSelector',
    'Message',
    'OnBad',
    'Record',
    'Topic',
    'camera_from_info',
    'choose_image_topic',
    'decode_bytes',
    'decode_image',
    'deserialize',
    'given_camera',
    'image_size',
    'is_bag',
    'is_rectified',
    'misfit',
    'open_source',
    'typestore',
    'write_bag',
    'write_bag_from_images',
]
