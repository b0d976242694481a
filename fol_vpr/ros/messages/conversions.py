"""Conversions between ROS messages and the types of `fol_vpr.datatypes`; no node is needed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geographic_msgs.msg import GeoPoint, GeoPose
from geometry_msgs.msg import Point, PoseWithCovariance, Quaternion
from geometry_msgs.msg import Pose as PoseMsg
from std_msgs.msg import Header

from fol_vpr.datatypes import (
    Frame,
    GeoPosition,
    LoopClosure,
    MapInfo,
    PlaceHypothesis,
    Pose,
    Recognition,
    RelativePose,
    covariance_of_message,
)
from fol_vpr.sources import StreamDecoder, decode_image
from fol_vpr_msgs import msg as fol

NS = 1_000_000_000
LAST_SECOND = 2**31 - 1


def stamp_to_ns(stamp: Any) -> int:
    """Nanoseconds of a builtin_interfaces/Time."""
    return int(stamp.sec) * NS + int(stamp.nanosec)


def time_from_ns(stamp_ns: int) -> Time:
    """The stamp of a time in nanoseconds, limited to the 32 bit seconds of the message."""
    seconds, rest = divmod(stamp_ns, NS)
    if not -LAST_SECOND <= seconds <= LAST_SECOND:
        return Time(sec=int(math.copysign(LAST_SECOND, seconds)))
    return Time(sec=seconds, nanosec=rest)


def duration_from_seconds(seconds: float) -> Duration:
    """The duration of a number of seconds; negative ones become 0."""
    whole, rest = divmod(max(0, round(seconds * NS)), NS)
    return Duration(sec=min(whole, LAST_SECOND), nanosec=rest)


def frame_from_image(message: Any, uri: str, decoder: StreamDecoder | None = None) -> Frame:
    """The frame of a sensor_msgs Image or CompressedImage.

    Args:
        message: the image.
        uri: where it comes from, e.g. its topic.
        decoder: of the stream that the image belongs to; without it, it is a stream of its own.

    Raises:
        InputError: the image cannot be decoded, with the reason.
    """
    return Frame(
        image=decode_image(message) if decoder is None else decoder.decode(message),
        stamp_ns=stamp_to_ns(message.header.stamp),
        frame_id=message.header.frame_id,
        uri=uri,
    )


def pose_message(pose: Pose) -> PoseMsg:
    """The geometry_msgs/Pose of a pose: metres and a unit quaternion."""
    x, y, z = (float(value) for value in pose.position)
    qx, qy, qz, qw = (float(value) for value in pose.orientation)
    return PoseMsg(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))


def pose_with_covariance(pose: Pose) -> PoseWithCovariance:
    """The pose with its covariance, which is all zero if it is not known."""
    message = PoseWithCovariance(pose=pose_message(pose))
    if pose.covariance is not None:
        message.covariance = np.ascontiguousarray(pose.covariance, dtype=np.float64).reshape(36)
    return message


def pose_from_message(message: Any) -> Pose:
    """The pose of a geometry_msgs/PoseWithCovariance.

    What says that a covariance is unknown: see `covariance_of_message`.

    Raises:
        InputError: a number is not finite or out of range, the orientation is not a unit
            quaternion, or the covariance is none.
    """
    at, turned = message.pose.position, message.pose.orientation
    return Pose(
        position=np.array([at.x, at.y, at.z]),
        orientation=np.array([turned.x, turned.y, turned.z, turned.w]),
        covariance=covariance_of_message(message.covariance),
    )


def geo_from_point(message: Any) -> GeoPosition:
    """The position of a geographic_msgs/GeoPoint.

    Raises:
        InputError: latitude, longitude or altitude is out of range.
    """
    return GeoPosition(message.latitude, message.longitude, message.altitude)


def robot_pose(
    pose: Pose, position_stddev: float, orientation_stddev: float
) -> PoseWithCovariance:
    """The pose of the robot when it is localized at a map image.

    A match means that two images show the same place, not that they were taken from the same
    point. Variances for the distance between both are therefore added to the covariance.

    Args:
        pose: of the map image.
        position_stddev: standard deviation of each coordinate in metres.
        orientation_stddev: standard deviation about each axis in degrees.
    """
    message = pose_with_covariance(pose)
    added = np.repeat([position_stddev**2, math.radians(orientation_stddev) ** 2], 3)
    known = np.zeros((6, 6)) if pose.covariance is None else pose.covariance
    message.covariance = (known + np.diag(added)).reshape(36)
    return message


def geo_point(geo: GeoPosition | None) -> GeoPoint:
    """The geodetic position in degrees and metres; all NaN without one."""
    if geo is None:
        return GeoPoint(latitude=math.nan, longitude=math.nan, altitude=math.nan)
    return GeoPoint(latitude=geo.latitude, longitude=geo.longitude, altitude=geo.altitude)


def geo_pose(geo: GeoPosition, pose: Pose | None) -> GeoPose:
    """The geodetic pose; its orientation is that of `pose`, or the identity without one."""
    message = GeoPose(position=geo_point(geo))
    if pose is None:
        message.orientation.w = 1.0
    else:
        message.orientation = pose_message(pose).orientation
    return message


def hypothesis_message(hypothesis: PlaceHypothesis) -> fol.PlaceHypothesis:
    """The fol_vpr_msgs/PlaceHypothesis of a hypothesis."""
    place = hypothesis.place
    message = fol.PlaceHypothesis(
        place_id=place.place_id,
        session_id=place.session_id,
        rank=hypothesis.rank,
        similarity=float(hypothesis.similarity),
        match_score=float(hypothesis.match_score),
        probability=float(hypothesis.probability),
        inliers=hypothesis.inliers,
        map_stamp=time_from_ns(place.stamp_ns),
        pose_source=int(hypothesis.pose_source),
        position=geo_point(place.geo),
        image_uri=place.image_uri,
    )
    if hypothesis.pose is not None:
        message.pose = pose_with_covariance(hypothesis.pose)
    return message


def places_message(
    recognition: Recognition,
    *,
    map_frame: str,
    model_id: str,
    processing_time: float,
    waiting_time: float = 0.0,
) -> fol.PlaceHypothesisArray:
    """The fol_vpr_msgs/PlaceHypothesisArray of an answer, with the stamp of the image.

    Args:
        recognition: the answer.
        map_frame: frame of the poses.
        model_id: of the network.
        processing_time: seconds of work on the image.
        waiting_time: seconds that the image waited in the node meanwhile.
    """
    return fol.PlaceHypothesisArray(
        header=Header(stamp=time_from_ns(recognition.stamp_ns), frame_id=map_frame),
        map_id=recognition.map_id,
        model_id=model_id,
        sensor_frame=recognition.frame_id,
        state=int(recognition.state),
        cause=int(recognition.explanation.cause),
        reason=recognition.explanation.reason,
        remedy=recognition.explanation.remedy,
        p_not_in_map=float(recognition.p_not_in_map),
        image_quality=float(recognition.image_quality),
        processing_time=duration_from_seconds(processing_time),
        waiting_time=duration_from_seconds(waiting_time),
        hypotheses=[hypothesis_message(hypothesis) for hypothesis in recognition.hypotheses],
    )


def closures_messages(recognition: Recognition) -> list[fol.LoopClosureCandidateArray]:
    """The fol_vpr_msgs/LoopClosureCandidateArrays of an answer, with the header of the image.

    One for closures within the running session, with an empty map_id, and one for closures with
    the map; an array without candidates is left out.
    """
    header = Header(stamp=time_from_ns(recognition.stamp_ns), frame_id=recognition.frame_id)
    in_session = [c for c in recognition.loop_closures if c.session_to == c.session_from]
    with_map = [c for c in recognition.loop_closures if c.session_to != c.session_from]
    return [
        fol.LoopClosureCandidateArray(
            header=header, map_id=map_id, candidates=[_closure_message(c) for c in closures]
        )
        for map_id, closures in (('', in_session), (recognition.map_id, with_map))
        if closures
    ]


def relative_pose_message(relative: RelativePose) -> PoseWithCovariance:
    """A measured relative pose: metres, or a unit vector if the scale is unknown; quaternion."""
    message = PoseWithCovariance(
        pose=pose_message(Pose(relative.translation, relative.orientation))
    )
    message.covariance = np.asarray(relative.covariance, dtype=np.float64).reshape(36)
    return message


def _closure_message(closure: LoopClosure) -> fol.LoopClosureCandidate:
    relative = closure.relative
    message = fol.LoopClosureCandidate(
        candidate_id=closure.candidate_id,
        session_from=closure.session_from,
        session_to=closure.session_to,
        stamp_from=time_from_ns(closure.stamp_from_ns),
        stamp_to=time_from_ns(closure.stamp_to_ns),
        frame_from=closure.frame_from,
        frame_to=closure.frame_to,
        similarity=float(closure.similarity),
        probability=float(closure.probability),
        verification=int(closure.verification),
        matches=closure.matches,
        inliers=closure.inliers,
        has_transform=relative is not None,
        metric_scale=relative is not None and relative.metric,
    )
    if relative is not None:
        message.from_t_to = relative_pose_message(relative)
    return message


def map_info_message(info: MapInfo | None) -> fol.MapInfo:
    """The fol_vpr_msgs/MapInfo of a map; all fields are empty without a map."""
    if info is None:
        return fol.MapInfo(datum=geo_point(None))
    return fol.MapInfo(
        map_id=info.map_id,
        name=info.name,
        schema_version=info.schema_version,
        model_id=info.model_id,
        preprocessing_id=info.preprocessing_id,
        places=info.places,
        sessions=info.sessions,
        descriptor_dim=info.descriptor_dim,
        bytes=info.bytes,
        frame_id=info.frame_id,
        georeferenced=info.georeferenced,
        datum=geo_point(info.datum),
        calibrated=info.calibrated,
    )
