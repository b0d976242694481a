"""An image, and the features that the network extracts from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fol_vpr.datatypes.frames import bare_frame
from fol_vpr.datatypes.geometry import Camera, GeoPosition, Pose
from fol_vpr.errors import InputError


@dataclass(frozen=True, eq=False)
class Frame:
    """One camera image with its time, camera and pose, as far as they are known.

    Attributes:
        image: [H, W, 3] uint8, RGB.
        stamp_ns: time of exposure.
        frame_id: coordinate frame of the camera without leading slashes, empty where unknown.
        uri: where the image came from: a file path, or `bag:topic`.
        pose: of the base in the map frame, or None.
        geo: geodetic position, or None.
        camera: its calibration, or None where it is not known.
        odometry: pose of the base in the frame of the odometry at that time, or None.
    """

    image: np.ndarray
    stamp_ns: int = 0
    frame_id: str = ''
    uri: str = ''
    pose: Pose | None = None
    geo: GeoPosition | None = None
    camera: Camera | None = None
    odometry: Pose | None = None

    def __post_init__(self) -> None:
        shape, dtype = np.shape(self.image), getattr(self.image, 'dtype', None)
        if len(shape) != 3 or shape[2] != 3 or dtype != np.uint8 or 0 in shape:
            raise InputError(
                f'an RGB image [height, width, 3] of uint8 is needed, got {shape} of {dtype} '
                f'({self.uri or "no uri"})'
            )
        object.__setattr__(self, 'frame_id', bare_frame(self.frame_id))


@dataclass(frozen=True, eq=False)
class LocalFeatures:
    """Local descriptors of the regions that the aggregation kept, in row-major grid order.

    Attributes:
        descriptors: [N, C], unit length, float32; or, as compressed maps keep them, int8 of which
            only the direction counts.
        positions: [N, 2] float32, x and y in pixels of the original image.
        weights: [N] float32, how much the aggregation kept of the region.
    """

    descriptors: np.ndarray
    positions: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True, eq=False)
class Features:
    """The features that the network extracts from one image.

    Attributes:
        global_descriptor: [D] float32, unit length.
        local: the local features.
        image_size: width and height of the original image in pixels.
    """

    global_descriptor: np.ndarray
    local: LocalFeatures
    image_size: tuple[int, int]
