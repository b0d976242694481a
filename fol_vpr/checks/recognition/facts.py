"""What is known of weights and map, and of a timed trial with them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class WeightsFacts:
    """The weights that the node would load.

    Attributes:
        wanted: name or file that was asked for; empty where the map decides.
        error: why they cannot be loaded; empty where they can.
        name: registered name or file.
        model_id: architecture and SHA-256 of the tensors.
        trained: False for random parameters.
        recorded: whether the SHA-256 of the file is recorded beside it, and was compared.
        path: of the file; empty for those without one.
    """

    wanted: str = ''
    error: str = ''
    name: str = ''
    model_id: str = ''
    trained: bool = True
    recorded: bool = False
    path: str = ''


@dataclass(frozen=True)
class MapFacts:
    """A map, as it says of itself.

    Attributes:
        path: of the file.
        error: why it cannot be read; empty where it can.
        mismatch: why it does not fit the weights or the preprocessing; empty where it does.
        name: of the map.
        weights_name, model_id: of the weights that made it.
        places, sessions, bytes: counts, and its size.
        poses, geo_positions, cameras, mounts: places that have one.
        added, removed: places that lie in the changes beside the file.
        frame_id: of its poses.
        calibrated: whether it has a calibration.
        decisions: the calibration in use, in words.
        calibration_problem: what is wrong with the calibration, in words; empty for nothing.
        scale: of the surroundings, such as room; empty where nobody named it.
        remarks: what else users should be told of it.
    """

    path: str
    error: str = ''
    mismatch: str = ''
    name: str = ''
    weights_name: str = ''
    model_id: str = ''
    places: int = 0
    sessions: int = 0
    bytes: int = 0
    poses: int = 0
    geo_positions: int = 0
    cameras: int = 0
    mounts: int = 0
    added: int = 0
    removed: int = 0
    frame_id: str = ''
    calibrated: bool = False
    decisions: str = ''
    calibration_problem: str = ''
    scale: str = ''
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrialFacts:
    """Images that were answered as the node does, and how long that took.

    Attributes:
        error: why there was no trial, or why it failed; empty where it succeeded.
        image: what was answered, in words.
        size: width and height of the image in pixels.
        device, precision: that the network ran on.
        with_map: whether a map was searched.
        index: the search index, in words.
        seconds: median by stage; `total` is the time from the image to the answer.
        worst: seconds of the slowest answer.
        images: how many were answered.
        memory: bytes that the process took at most.
        start: seconds for loading weights and map, and the first image.
    """

    error: str = ''
    image: str = ''
    size: tuple[int, int] = (0, 0)
    device: str = ''
    precision: str = ''
    with_map: bool = False
    index: str = ''
    seconds: dict[str, float] = field(default_factory=dict)
    worst: float = 0.0
    images: int = 0
    memory: int = 0
    start: float = 0.0

    @property
    def rate(self) -> float:
        """Images per second that can be answered one after the other.

        The node resizes an image while the one before it is answered.
        """
        busy = self.seconds.get('total', 0.0) - self.seconds.get('resize', 0.0)
        return 1 / busy if busy > 0 else 0.0
