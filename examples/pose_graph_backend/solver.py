"""iSAM2 over nodes that are named by their stamps, and the factors that closures become."""

from __future__ import annotations

from bisect import bisect_left

import gtsam
import numpy as np

from examples.pose_graph_backend.closures import Closure
from examples.pose_graph_backend.geometry import composed, symmetric
from examples.pose_graph_backend.settings import GraphSettings
from examples.pose_graph_backend.track import Motion, OdometryPath

# Updates in which the estimate follows a change, until no node moves by more than that (metres).
SETTLING, SETTLED = 20, 1e-3
EXACT = 1e-4
UNKNOWN = 1e3


class Solver:
    """The nodes, their estimate, and the closures that constrain it."""

    def __init__(self, track: OdometryPath, settings: GraphSettings) -> None:
        self._track = track
        self._settings = settings
        self.nodes: list[int] = []
        parameters = gtsam.ISAM2Params()
        # Closures are surer than odometry by orders of magnitude, which Cholesky would square.
        parameters.setFactorization('QR')
        parameters.relinearizeSkip = 1
        parameters.setRelinearizeThreshold(0.01)
        parameters.findUnusedFactorSlots = True
        self._isam = gtsam.ISAM2(parameters)
        self._estimate = gtsam.Values()
        self._slots: dict[int, list[int]] = {}

    # ---- nodes

    def add_node(self, stamp_ns: int) -> None:
        """Add a node at the newest time, tied to the last one by odometry."""
        graph, values = gtsam.NonlinearFactorGraph(), gtsam.Values()
        if self.nodes:
            last = self.nodes[-1]
            step = self._track.motion(last, stamp_ns)
            noise = gtsam.noiseModel.Gaussian.Covariance(step.covariance)
            graph.add(gtsam.BetweenFactorPose3(last, stamp_ns, step.pose, noise))
            pose = self._estimate.atPose3(last).compose(step.pose)
        else:
            # The map begins where the odometry does.
            pose = self._track.pose(stamp_ns)
            exact = gtsam.noiseModel.Isotropic.Sigma(6, EXACT)
            graph.add(gtsam.PriorFactorPose3(stamp_ns, pose, exact))
        values.insert(stamp_ns, pose)
        self._isam.update(graph, values)
        self.nodes.append(stamp_ns)
        self._estimate.insert(stamp_ns, pose)

    def estimate(self, node: int) -> gtsam.Pose3:
        """Corrected pose of a node."""
        return self._estimate.atPose3(node)

    def node_near(self, stamp_ns: int) -> int:
        """The node that is nearest in time."""
        place = bisect_left(self.nodes, stamp_ns)
        around = self.nodes[max(0, place - 1) : place + 1]
        return min(around, key=lambda node: abs(node - stamp_ns))

    def positions(self) -> np.ndarray:
        """[N, 3] metres, of all nodes."""
        # Nodes are in the order of their keys, and before the cameras.
        return np.asarray(gtsam.utilities.extractPose3(self._estimate)[: len(self.nodes), 9:])

    def motion(self, from_ns: int, to_ns: int, *, exact: bool = False) -> Motion:
        """Estimated pose at one time in the frame of another time.

        Args:
            exact: take the estimate of the nodes as exact.
        """
        start, end = self.node_near(from_ns), self.node_near(to_ns)
        if start == end:
            return self._track.motion(from_ns, to_ns)
        between = self.estimate(start).between(self.estimate(end))
        before, after = self._track.motion(from_ns, start), self._track.motion(end, to_ns)
        covariance = np.zeros((6, 6)) if exact else self._uncertainty(start, end, between)
        covariance = composed(before.covariance, covariance, between)
        covariance = composed(covariance, after.covariance, after.pose)
        return Motion(before.pose.compose(between).compose(after.pose), covariance)

    def _uncertainty(self, start: int, end: int, between: gtsam.Pose3) -> np.ndarray:
        """Covariance [6, 6] of one node's pose in the frame of another."""
        joint = self._isam.jointMarginalCovariance([start, end])
        blocks = [[joint.at(row, column) for column in (start, end)] for row in (start, end)]
        # What lies between is off by the error of the end, less that of the start as the end
        # sees it.
        difference = np.hstack([-between.inverse().AdjointMap(), np.eye(6)])
        return symmetric(difference @ np.block(blocks) @ difference.T)

    # ---- closures

    def enter(self, closure: Closure, *, direction: bool, near: bool) -> None:
        """Make a closure a constraint, and let the estimate follow.

        However far the trajectory has drifted, Gaussian noise pulls it there; a robust kernel
        would take a large residual for a wrong closure and leave everything where it is. Once
        there, Cauchy noise takes over.

        Args:
            direction: constrain the direction of a translation without length, too.
            near: the estimate is there already.
        """
        values = gtsam.Values()
        graph = self._fixed(closure, values) if direction else gtsam.NonlinearFactorGraph()
        keys = graph.size()
        graph.push_back(self._factor(closure, direction=direction, robust=near))
        slots = list(self._isam.update(graph, values).getNewFactorsIndices())[keys:]
        self._settle()
        if not near:
            robust = self._factor(closure, direction=direction, robust=True)
            result = self._isam.update(robust, gtsam.Values(), slots)
            slots = list(result.getNewFactorsIndices())
            self._settle()
        self._slots[closure.closure_id] = slots

    def leave(self, closure_id: int) -> None:
        """Take the constraint of a closure out again, and let the estimate follow."""
        slots = self._slots.pop(closure_id)
        self._isam.update(gtsam.NonlinearFactorGraph(), gtsam.Values(), slots)
        self._settle()

    def _settle(self) -> None:
        before = self.positions()
        for _ in range(SETTLING):
            self._estimate = self._isam.calculateEstimate()
            after = self.positions()
            if np.abs(after - before).max() < SETTLED:
                break
            before = after
            self._isam.update()

    def _factor(
        self, closure: Closure, *, direction: bool, robust: bool
    ) -> gtsam.NonlinearFactorGraph:
        measured = closure.measured
        assert measured is not None
        graph = gtsam.NonlinearFactorGraph()
        if direction:
            noise = self._noise(measured.covariance, robust)
            essential = gtsam.EssentialMatrix(
                measured.pose.rotation(), gtsam.Unit3(measured.pose.translation())
            )
            keys = camera_keys(closure)
            graph.add(gtsam.EssentialMatrixConstraint(*keys, essential, noise))
            return graph
        if measured.metric:
            pose, covariance = closure.of_bases()
        else:
            rotation, noise_of_it = closure.rotation_of_bases()
            pose, covariance = gtsam.Pose3(rotation, np.zeros(3)), UNKNOWN**2 * np.eye(6)
            covariance[:3, :3] = noise_of_it
        start, end = self.node_near(closure.stamp_from_ns), self.node_near(closure.stamp_to_ns)
        before = self._track.motion(start, closure.stamp_from_ns)
        after = self._track.motion(closure.stamp_to_ns, end)
        covariance = composed(before.covariance, covariance, pose)
        covariance = composed(covariance, after.covariance, after.pose)
        pose = before.pose.compose(pose).compose(after.pose)
        graph.add(gtsam.BetweenFactorPose3(start, end, pose, self._noise(covariance, robust)))
        return graph

    def _noise(self, covariance: np.ndarray, robust: bool) -> gtsam.noiseModel.Base:
        gaussian = gtsam.noiseModel.Gaussian.Covariance(covariance)
        if not robust:
            return gaussian
        cauchy = gtsam.noiseModel.mEstimator.Cauchy.Create(self._settings.kernel)
        return gtsam.noiseModel.Robust.Create(cauchy, gaussian)

    def _fixed(self, closure: Closure, values: gtsam.Values) -> gtsam.NonlinearFactorGraph:
        """Variables for the poses of both sensors, fixed to the nodes that are nearest."""
        graph = gtsam.NonlinearFactorGraph()
        ends = (
            (closure.stamp_from_ns, closure.mount_from),
            (closure.stamp_to_ns, closure.mount_to),
        )
        for key, (stamp_ns, mount) in zip(camera_keys(closure), ends, strict=True):
            if self._isam.valueExists(key):
                # Of a closure that was taken out and comes again: they stayed, and are fixed.
                continue
            node = self.node_near(stamp_ns)
            offset = self._track.motion(node, stamp_ns)
            covariance = composed(offset.covariance, EXACT**2 * np.eye(6), mount)
            noise = gtsam.noiseModel.Gaussian.Covariance(covariance)
            pose = offset.pose.compose(mount)
            graph.add(gtsam.BetweenFactorPose3(node, key, pose, noise))
            values.insert(key, self.estimate(node).compose(pose))
        return graph


def camera_keys(closure: Closure) -> tuple[int, int]:
    """Keys of the poses of both sensors, which no stamp of this century equals."""
    return (
        gtsam.symbol('c', 2 * closure.closure_id),
        gtsam.symbol('c', 2 * closure.closure_id + 1),
    )
