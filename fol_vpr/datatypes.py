"""What travels between the parts: frozen values without behaviour beyond their own checks.

Arrays are NumPy arrays and are never changed after they were handed over. Times are integer
nanoseconds since the epoch of the source's clock. Pixel positions are (x, y), the centre of the
top left pixel being (0, 0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from fol_vpr.errors import InputError

EARTH_RADIUS = 6_371_008.8
"""Mean radius in metres (IUGG)."""
UNKNOWN_ANGLE_VARIANCE = math.pi**2 / 3
"""Variance in rad² of an angle of which nothing is known: uniform on the circle."""
PRIOR_SIGMAS = 3.0
"""Standard deviations that a search reaches around an uncertain position: 98.9 % in the plane."""


@dataclass(frozen=True, eq=False)
class Pose:
    """Pose of the base frame in the map frame (REP-103, REP-105).

    Attributes:
        position: [3] float64, metres.
        orientation: [4] float64, unit quaternion x, y, z, w.
        covariance: [6, 6] float64 over x, y, z, rotation about X, Y, Z (m², m·rad, rad²), or None
            where the source gives none.
    """

    position: np.ndarray
    orientation: np.ndarray
    covariance: np.ndarray | None = None

    def __post_init__(self) -> None:
        position = np.asarray(self.position, dtype=np.float64)
        orientation = np.asarray(self.orientation, dtype=np.float64)
        if position.shape != (3,) or not np.isfinite(position).all():
            raise InputError(
                f'a position of three finite numbers in metres is needed, got {self.position}'
            )
        norm = float(np.linalg.norm(orientation)) if orientation.shape == (4,) else math.nan
        if not math.isfinite(norm) or abs(norm - 1) > 0.01:
            raise InputError(
                f'a unit quaternion x, y, z, w is needed, got {self.orientation}; '
                'an all-zero or NaN orientation usually means that the source never filled it'
            )
        object.__setattr__(self, 'position', position)
        object.__setattr__(self, 'orientation', orientation / norm)
        if self.covariance is not None:
            covariance = np.asarray(self.covariance, dtype=np.float64).reshape(6, 6)
            object.__setattr__(self, 'covariance', covariance)

    @property
    def has_orientation(self) -> bool:
        """Whether the orientation means something, by the variance of the rotation about Z.

        That about X and Y is not looked at: planar odometry calls it unknown and means zero.
        """
        # A little less than the constant, because covariances pass through float32.
        known = 0.999 * UNKNOWN_ANGLE_VARIANCE
        return self.covariance is None or float(self.covariance[5, 5]) < known


@dataclass(frozen=True)
class GeoPosition:
    """WGS 84 position: latitude and longitude in degrees, altitude in metres (NaN: unknown)."""

    latitude: float
    longitude: float
    altitude: float = math.nan

    def __post_init__(self) -> None:
        if not (-90 <= self.latitude <= 90 and -180 <= self.longitude <= 180):
            raise InputError(
                f'latitude within ±90° and longitude within ±180° are needed, '
                f'got {self.latitude}, {self.longitude}'
            )

    def distance(self, other: GeoPosition) -> float:
        """Metres along the ground, on a sphere (haversine formula)."""
        here, there = math.radians(self.latitude), math.radians(other.latitude)
        half_east = math.radians(other.longitude - self.longitude) / 2
        chord = (
            math.sin((there - here) / 2) ** 2
            + math.cos(here) * math.cos(there) * math.sin(half_east) ** 2
        )
        return 2 * EARTH_RADIUS * math.asin(math.sqrt(min(1.0, chord)))


@dataclass(frozen=True, eq=False)
class Frame:
    """One camera image with what is known about where and when it was taken.

    Attributes:
        image: [H, W, 3] uint8, RGB.
        stamp_ns: time of exposure.
        frame_id: coordinate frame of the camera, empty where unknown.
        uri: where the image came from: a file path, or `bag:topic`.
        pose: of the base in the map frame, or None.
        geo: geodetic position, or None.
    """

    image: np.ndarray
    stamp_ns: int = 0
    frame_id: str = ''
    uri: str = ''
    pose: Pose | None = None
    geo: GeoPosition | None = None

    def __post_init__(self) -> None:
        shape, dtype = np.shape(self.image), getattr(self.image, 'dtype', None)
        if len(shape) != 3 or shape[2] != 3 or dtype != np.uint8 or 0 in shape:
            raise InputError(
                f'an RGB image [height, width, 3] of uint8 is needed, got {shape} of {dtype} '
                f'({self.uri or "no uri"})'
            )


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
    """What the network says of one image.

    Attributes:
        global_descriptor: [D] float32, unit length.
        local: the local features.
        image_size: width and height of the original image in pixels.
    """

    global_descriptor: np.ndarray
    local: LocalFeatures
    image_size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Place:
    """One reference of a map, without its descriptors.

    Attributes:
        index: row of the global descriptors, counted from 0 in the order of insertion.
        place_id: unique and lasting name within the map.
        session_id: the drive that it was taken in.
        image_size: width and height of the original image in pixels.
        sensor_frame: coordinate frame of the camera, empty where unknown.
    """

    index: int
    place_id: str
    session_id: str
    stamp_ns: int
    image_uri: str
    image_size: tuple[int, int]
    pose: Pose | None = None
    geo: GeoPosition | None = None
    sensor_frame: str = ''


@dataclass(frozen=True)
class Prior:
    """What is known of a query's place before its image is looked at; narrows the search.

    A reference is searched where all that is given here allows it. One whose own position is
    unknown cannot be told to be far away, and stays.

    Attributes:
        position: x and y in metres in the frame of the map, or None. Heights are not compared:
            few priors know them.
        geo: the same as a geodetic position, for maps that have those; not together with position.
        radius: how far from there the reference may have been taken, in metres.
        stddev: standard deviation of the position along each axis in metres; the search reaches
            three of them further.
        sessions: only references of these; empty allows all.
    """

    position: tuple[float, float] | None = None
    geo: GeoPosition | None = None
    radius: float = 0.0
    stddev: float = 0.0
    sessions: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.position is not None and self.geo is not None:
            raise InputError('a prior has a position in the map or a geodetic one, got both')
        if self.position is not None and not all(math.isfinite(value) for value in self.position):
            raise InputError(f'a prior needs finite metres as its position, got {self.position}')
        for name in ('radius', 'stddev'):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f'the {name} of a prior is {value}, expected metres from 0')
        if self.located and self.reach == 0:
            raise InputError('a prior with a position needs a radius or a stddev over 0 metres')

    @property
    def located(self) -> bool:
        """Whether it names a position of either kind."""
        return self.position is not None or self.geo is not None

    @property
    def reach(self) -> float:
        """Metres around its position that are searched."""
        return self.radius + PRIOR_SIGMAS * self.stddev

    @classmethod
    def around(cls, pose: Pose, radius: float, sessions: frozenset[str] = frozenset()) -> Prior:
        """The surroundings of a pose in the map frame, with the uncertainty it comes with."""
        stddev = 0.0
        if pose.covariance is not None:
            # The longer axis of the ellipse in x and y.
            stddev = math.sqrt(max(0.0, float(np.linalg.eigvalsh(pose.covariance[:2, :2])[-1])))
        x, y = (float(value) for value in pose.position[:2])
        return cls(position=(x, y), radius=radius, stddev=stddev, sessions=sessions)


@dataclass(frozen=True)
class Candidate:
    """A reference that retrieval found.

    Attributes:
        index: `Place.index`.
        similarity: cosine of the global descriptors.
        match_score: mutual nearest neighbours with cosine over the threshold; NaN where not
            re-ranked.
    """

    index: int
    similarity: float
    match_score: float = math.nan


class PoseSource(IntEnum):
    """Where a hypothesis' pose comes from; values of fol_vpr_msgs/PlaceHypothesis."""

    NONE = 0
    OF_MAP_IMAGE = 1
    REFINED = 2


class LocalizationState(IntEnum):
    """What the query's hypotheses amount to; values of fol_vpr_msgs/PlaceHypothesisArray."""

    UNKNOWN = 0
    NOT_IN_MAP = 1
    AMBIGUOUS = 2
    LOCALIZED = 3


class Verification(IntEnum):
    """Strongest check that a pair has passed; values of fol_vpr_msgs/LoopClosureCandidate."""

    NONE = 0
    SEQUENCE = 1
    LOCAL = 2
    GEOMETRY = 3


@dataclass(frozen=True, eq=False)
class PlaceHypothesis:
    """A candidate with its evidence and the pose that it implies.

    Attributes:
        rank: 0 is best.
        match_score: NaN where not re-ranked.
        probability: calibrated probability of being the right place; NaN where uncalibrated.
        inliers: of geometric verification; 0 where not run.
        verification: the strongest check that was passed.
        query_xy, reference_xy: [K, 2] matched pixel positions that the geometric verification was
            given; None where not run.
    """

    place: Place
    rank: int
    similarity: float
    match_score: float = math.nan
    probability: float = math.nan
    inliers: int = 0
    verification: Verification = Verification.NONE
    query_xy: np.ndarray | None = None
    reference_xy: np.ndarray | None = None
    pose_source: PoseSource = PoseSource.NONE
    pose: Pose | None = None

    @property
    def matches(self) -> int:
        """Local matches that the geometric verification was given; 0 where not run."""
        return 0 if self.query_xy is None else len(self.query_xy)


@dataclass(frozen=True, eq=False)
class LoopClosure:
    """A verified hypothesis that ties two stamps of one trajectory or of two sessions.

    `from` is the query, `to` the reference that it came back to. A single monocular match measures
    no metric transform, so there is none here until something measures one.
    """

    candidate_id: int
    session_from: str
    session_to: str
    stamp_from_ns: int
    stamp_to_ns: int
    frame_from: str
    frame_to: str
    similarity: float
    probability: float
    verification: Verification
    matches: int
    inliers: int


@dataclass(frozen=True, eq=False)
class Recognition:
    """The answer to one query image.

    Attributes:
        hypotheses: best first; the first one is believed where the state is LOCALIZED.
        p_not_in_map: NaN where uncalibrated.
        image_quality: 0 (unusable) to 1.
        quality_reason: what is wrong with the image, empty where nothing is.
        timings: seconds by stage: resize, forward, search, rerank, verify; `total` is all of it.
        global_ranking: the candidates in the order of the global similarity, before re-ranking.
        map_id, map_frame: of the map that was searched, which may have been replaced since.
    """

    stamp_ns: int
    frame_id: str
    state: LocalizationState
    hypotheses: tuple[PlaceHypothesis, ...]
    loop_closures: tuple[LoopClosure, ...] = ()
    p_not_in_map: float = math.nan
    image_quality: float = 1.0
    quality_reason: str = ''
    timings: dict[str, float] = field(default_factory=dict)
    global_ranking: tuple[Candidate, ...] = ()
    map_id: str = ''
    map_frame: str = ''


@dataclass(frozen=True)
class MapInfo:
    """What a map says of itself; fields of fol_vpr_msgs/MapInfo and the names of its makers.

    Attributes:
        model_id: SHA-256 of the weights that made the descriptors, with the architecture.
        preprocessing_id: how images were brought to the network's input.
        weights_name: the name or file that the weights were loaded by, for people.
        codec: how local features are stored.
        datum: geodetic position of the map frame's origin, or None.
        bytes: size of the file on disk, and of the changes beside it.
        content_id: another one each time that the file is written; `map_id` stays while a map
            grows.
        added, removed: places that are in the changes beside the file, and not in the file yet;
            `places` counts with them.
    """

    path: str
    map_id: str
    name: str
    schema_version: int
    model_id: str
    preprocessing_id: str
    codec: str
    places: int
    sessions: int
    descriptor_dim: int
    local_dim: int
    bytes: int
    frame_id: str
    georeferenced: bool
    datum: GeoPosition | None
    calibrated: bool
    weights_name: str = ''
    content_id: str = ''
    added: int = 0
    removed: int = 0

    @property
    def trained(self) -> bool:
        """False where the weights are deterministic random ones, by their name."""
        return not self.weights_name.startswith('untrained-')
