"""Image folders and ROS 2 bags as sources of frames. Free of torch and of rclpy."""

from fol_vpr.sources.decode import decode_bytes, decode_image
from fol_vpr.sources.folder import ImageFolder
from fol_vpr.sources.keyframes import KeyframeSelector, select_keyframes
from fol_vpr.sources.source import FrameSource, OnBad

__all__ = [
    'FrameSource',
    'ImageFolder',
    'KeyframeSelector',
    'OnBad',
    'decode_bytes',
    'decode_image',
    'select_keyframes',
]
