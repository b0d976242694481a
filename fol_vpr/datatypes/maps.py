"""References and headers of maps, and what a search takes and returns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fol_vpr.datatypes.geometry import MAX_COORDINATE, Camera, GeoPosition, Pose
from fol_vpr.errors import InputError

MAX_ID = 512
"""Most characters of an id of a place, a session or a frame that is given or written."""
PRIOR_SIGMAS = 3.0
"""Standard deviations that a search reaches around an uncertain position: 98.9 % in the plane."""


@dataclass(frozen=True, eq=False)
class Place:
    """One reference of a map, without its descriptors.

    Attributes:
        index: row of the global descriptors, counted from 0 in the order of insertion.
        place_id: unique and lasting name within the map.
        session_id: the drive that it was taken in.
        image_size: width and height of the original image in pixels.
        sensor_frame: coordinate frame of the camera, empty where unknown.
        camera: its calibration, or None where the map has none.
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
    camera: Camera | None = None


@dataclass(frozen=True)
class Prior:
    """What is known of a query's place before its image is searched; narrows the search.

    A reference is searched where the position and the sessions given here allow it. References
    without a position are always allowed by the position.

    Attributes:
        position: x and y in metres in the frame of the map, or None. Heights are not compared.
        geo: geodetic position, for georeferenced maps; not together with `position`.
        radius: largest distance of a reference from the position, in metres.
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
        if self.position is not None and not all(
            abs(value) <= MAX_COORDINATE for value in self.position
        ):
            raise InputError(
                f'a prior needs metres within ±{MAX_COORDINATE:g} as its position, got '
                f'{self.position}'
            )
        for name in ('radius', 'stddev'):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f'the {name} of a prior is {value}, expected metres from 0')
        if self.located and self.reach == 0:
            raise InputError('a prior with a position needs a radius or a stddev over 0 metres')

    @property
    def located(self) -> bool:
        """Whether the prior has a position of either kind."""
        return self.position is not None or self.geo is not None

    @property
    def reach(self) -> float:
        """Radius in metres around the position that is searched."""
        return self.radius + PRIOR_SIGMAS * self.stddev

    def check_sessions(self, places: Iterable[Place]) -> None:
        """Check that the map has all sessions of the prior.

        Raises:
            InputError: no place is of one of them.
        """
        known = {place.session_id for place in places}
        if unknown := sorted(self.sessions - known):
            raise InputError(
                f'the map has no session {", ".join(map(repr, unknown))}; it has '
                f'{", ".join(map(repr, sorted(known)))}'
            )

    def check_places(self, places: Sequence[Place]) -> None:
        """Check that the map has what the prior is about.

        Raises:
            InputError: no place is of one of the sessions, or none has a position of that kind,
                so that the position would rule nothing out.
        """
        self.check_sessions(places)
        if self.position is not None and not any(place.pose for place in places):
            raise InputError(
                'a position in metres cannot be used: no place of the map has one; search without '
                'it'
            )
        if self.geo is not None and not any(place.geo for place in places):
            raise InputError(
                'a geodetic position cannot be used: no place of the map has one; search without '
                'it'
            )


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


@dataclass(frozen=True)
class MapInfo:
    """The header of a map with its counts; fields of fol_vpr_msgs/MapInfo and more.

    Attributes:
        model_id: SHA-256 of the weights that made the descriptors, with the architecture.
        preprocessing_id: how images were resized and normalised for the network.
        weights_name: the name or file that the weights were loaded by, for people.
        codec: how local features are stored.
        datum: geodetic position of the map frame's origin, or None.
        bytes: size of the file on disk, and of the changes beside it.
        content_id: another one each time that the file is written; `map_id` stays while a map
            grows.
        cameras, mounts: places whose camera is known, and those of which it is known how that
            sat on the robot.
        poses, geo_positions: places that have one.
        scale: of the surroundings, `room`, `building` or `street`; empty where nobody named it.
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
    cameras: int = 0
    mounts: int = 0
    poses: int = 0
    geo_positions: int = 0
    scale: str = ''
    added: int = 0
    removed: int = 0

    @property
    def trained(self) -> bool:
        """False where the weights are deterministic random ones, by their name."""
        return not self.weights_name.startswith('untrained-')
