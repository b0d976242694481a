"""What is received from a watched node, as far as it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum


class Level(IntEnum):
    """Level of a status; values of diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


class Presence(Enum):
    """Whether a node is there.

    Attributes:
        RUNNING: it sends.
        SILENT: others still list it, and it has sent nothing for longer than usual.
        GONE: nobody lists it any more.
    """

    RUNNING = 'running'
    SILENT = 'silent'
    GONE = 'gone'


@dataclass(frozen=True)
class Answer:
    """The answer of a node to one image.

    Attributes:
        stamp_ns: of the image.
        state: name of the state, such as LOCALIZED.
        cause: name of the reason for programs; empty where the node gives none.
        reason: why the state is what it is, in words.
        remedy: what would help.
        probability: of the first hypothesis, 0 to 1; None where uncalibrated or without one.
        place_id, session_id: of the first hypothesis; empty without one.
        similarity: of the first hypothesis, None without one.
        inliers: of the first hypothesis.
        p_not_in_map: probability that the map does not have the place; None where uncalibrated.
        image_quality: 0 (unusable) to 1.
        processing: seconds of work on the image.
        waiting: seconds that it waited in the node for images before it.
        map_id: of the map that was searched.
    """

    stamp_ns: int
    state: str
    cause: str = ''
    reason: str = ''
    remedy: str = ''
    probability: float | None = None
    place_id: str = ''
    session_id: str = ''
    similarity: float | None = None
    inliers: int = 0
    p_not_in_map: float | None = None
    image_quality: float = 1.0
    processing: float = 0.0
    waiting: float = 0.0
    map_id: str = ''


@dataclass(frozen=True)
class Status:
    """One diagnostic status.

    Attributes:
        part: of the node that it is about, such as images.
        level: how bad it is.
        message: in words.
        values: by key.
    """

    part: str
    level: Level
    message: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ClosureSeen:
    """A loop closure that a node has published.

    Attributes:
        stamp_from_ns, stamp_to_ns: of its two images.
        session_from, session_to: of its two images.
        probability: 0 to 1; None where uncalibrated.
        verification: name of the strongest check that was passed.
        matches, inliers: of the local features.
    """

    stamp_from_ns: int
    stamp_to_ns: int
    session_from: str
    session_to: str
    probability: float | None
    verification: str
    matches: int
    inliers: int


@dataclass(frozen=True)
class LoadedMap:
    """The map that a node has loaded.

    Attributes:
        name: for people; empty where no map is loaded.
        map_id: its identity.
        places, sessions: how many it has.
        calibrated: whether it can turn scores into probabilities.
    """

    name: str
    map_id: str
    places: int
    sessions: int
    calibrated: bool


@dataclass(frozen=True)
class Happening:
    """Something that happened to a node.

    Attributes:
        moment: when, on the clock of the events.
        node: its full name.
        text: in words.
    """

    moment: float
    node: str
    text: str
