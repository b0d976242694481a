"""What the diagnostics report besides the counts of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fol_vpr.checks.topics.facts import TopicReport
from fol_vpr.config import NodeConfig
from fol_vpr.datatypes import MapInfo

if TYPE_CHECKING:
    from fol_vpr.loop_closure import LoopStatus
    from fol_vpr.ros.node.mapping.mapper import MappingStatus


@dataclass(frozen=True)
class NodeFacts:
    """What the diagnostics report besides the counts of images.

    Attributes:
        state: label of the lifecycle state.
        enabled: whether the node listens to images while active.
        failure: why the last transition failed, empty if it succeeded.
        use_sim_time: whether the node takes the time from /clock.
        clock_missing: use_sim_time is set, and no time has arrived.
        settings: of the node.
        network: weights, device and precision by name; empty while unconfigured.
        trained: whether the weights are trained.
        map_info: of the loaded map, None without one.
        map_failure: why the last map was not loaded, empty if it was.
        index: the search index of the map; empty without a map.
        index_problem: what keeps the index from working as it should, empty if nothing does.
        decisions: the calibration that the decisions use; empty without one.
        calibration_problem: why its probabilities do not hold, empty if nothing is known.
        settings_of_map: which settings the map brings, in words.
        hits_problem: why counts of hits could not be written to the map, empty if they could.
        topics: publishers of images.
        camera_problem: what is wrong with camera_info, empty if nothing is.
        camera_state: what is known of the camera.
        odometry_problem: what is wrong with odom, empty if nothing is.
        odometry_state: what is known of the odometry.
        loops: state of the search for loop closures; None while unconfigured.
        mapping: how far the map is that the node builds; None where it localizes.
        transition: the transition that occupies the node, its step and duration; else empty.
    """

    state: str
    enabled: bool
    failure: str
    use_sim_time: bool
    clock_missing: bool
    settings: NodeConfig
    network: Mapping[str, str]
    trained: bool
    map_info: MapInfo | None
    map_failure: str
    index: str
    index_problem: str
    decisions: str
    hits_problem: str
    topics: Sequence[TopicReport]
    camera_problem: str
    camera_state: str
    odometry_problem: str
    odometry_state: str
    loops: LoopStatus | None
    transition: str = ''
    calibration_problem: str = ''
    settings_of_map: str = ''
    mapping: MappingStatus | None = None

    @property
    def listening(self) -> bool:
        """Whether the node listens to images."""
        return self.state == 'active' and self.enabled
