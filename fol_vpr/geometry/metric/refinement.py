"""How the leading hypothesis' image stands to the query, measured from the images themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Camera, Frame, Place, PlaceHypothesis, Pose, PoseSource, RelativePose
from fol_vpr.geometry.metric.alignment import (
    AlignmentImage,
    alignment_image,
    alignment_image_from_jpeg,
    detect_corners,
    move_with_nearest,
    track_points,
)
from fol_vpr.geometry.metric.bundle_adjustment import ThreeViewTracks
from fol_vpr.geometry.metric.three_views import MIN_POINTS, metric_pose, sample_epipolar_lines
from fol_vpr.geometry.rigid import compose, inverse, rotation_matrix
from fol_vpr.geometry.two_view.coverage import patch_ids, rescale
from fol_vpr.geometry.two_view.models import fit_homography
from fol_vpr.geometry.two_view.pair import verify_pair
from fol_vpr.geometry.viewing_rays import matching_camera, pixels_to_rays

# Aligned positions are that much better than those of local features.
LIMIT_SHARE = 0.5
MIN_PATCHES = 15
# Positions found at once, of which the others are guessed.
MIN_FOUND = 12
# A second view stands this far from the first, best at about the middle, and looks as it does.
NEAREST, BEST, FARTHEST = 0.2, 1.0, 8.0
MAX_TURN = math.radians(40.0)
# How far to look for one in the order of the session.
REACH = 10


class ReferenceImages(Protocol):
    """The images that places were taken from: a map's, or those of the running drive."""

    def image(self, number: int) -> bytes | None:
        """JPEG of a place; see `LiveMap.image`."""
        ...

    def around(self, number: int, reach: int) -> list[Place]:
        """Places beside this one in the order of the session; see `LiveMap.around`."""
        ...


@dataclass(frozen=True, eq=False)
class _AlignedMatches:
    """Matches [K] of query and first view, aligned and agreeing on one motion."""

    query_xy: np.ndarray
    first_xy: np.ndarray
    query_camera: Camera
    first_camera: Camera
    size: tuple[int, int]
    first: AlignmentImage
    relative: RelativePose | None


def refine_pose(
    hypothesis: PlaceHypothesis,
    frame: Frame,
    loaded: ReferenceImages,
    ranked: Sequence[Place],
    config: VerificationConfig,
) -> PlaceHypothesis:
    """A verified hypothesis with its relative pose, and with a refined pose where metres come out.

    Args:
        frame: the query.
        loaded: what the hypothesis is a place of.
        ranked: other places that the query may show, best first.
        config: `inlier_threshold`, and how many second views are tried.

    Raises:
        MapError: an image of a place is damaged.
    """
    precise = replace(config, inlier_threshold=LIMIT_SHARE * config.inlier_threshold)
    aligned = _align_with_query(hypothesis, frame, loaded, precise)
    if aligned is None:
        return hypothesis
    relative = aligned.relative
    pose = None
    enough = len(aligned.first_xy) >= MIN_POINTS and config.second_views
    views = _second_views(hypothesis.place, ranked, loaded) if enough else []
    for second in views[: config.second_views]:
        found = _with_second_view(aligned, hypothesis.place, second, loaded, precise)
        if found is not None:
            relative, pose = found, _base_pose(hypothesis.place, found, aligned)
            break
    hypothesis = replace(hypothesis, relative=relative)
    if pose is None:
        return hypothesis
    return replace(hypothesis, pose=pose, pose_source=PoseSource.REFINED)


def _align_with_query(
    hypothesis: PlaceHypothesis, frame: Frame, loaded: ReferenceImages, config: VerificationConfig
) -> _AlignedMatches | None:
    """Matches moved to where the images have them; None where there is nothing to do it with."""
    place = hypothesis.place
    size = (frame.image.shape[1], frame.image.shape[0])
    query_camera = matching_camera(frame.camera, size)
    first_camera = matching_camera(place.camera, place.image_size)
    if query_camera is None or first_camera is None:
        return None
    first = _image_of_place(place, loaded)
    if first is None or hypothesis.query_xy is None or hypothesis.reference_xy is None:
        return None
    query_xy, first_xy = _aligned_positions(
        first, alignment_image(frame.image), hypothesis, config
    )
    geometry = verify_pair(
        query_xy,
        first_xy,
        size,
        place.image_size,
        config,
        query_camera=query_camera,
        reference_camera=first_camera,
        estimate_relative_pose=True,
    )
    agrees = geometry.inlier
    return _AlignedMatches(
        query_xy[agrees],
        first_xy[agrees],
        query_camera,
        first_camera,
        size,
        first,
        geometry.relative,
    )


def _aligned_positions(
    first: AlignmentImage,
    query: AlignmentImage,
    hypothesis: PlaceHypothesis,
    config: VerificationConfig,
) -> tuple[np.ndarray, np.ndarray]:
    """[K, 2] positions in the query and [K, 2] in the reference that look alike.

    What matched features lead to tells where corners of the reference should be in the query, as
    on the plane that most lie in, or as their nearest neighbour: there are more of those, and they
    are found more surely.
    """
    reference_xy, query_xy = hypothesis.reference_xy, hypothesis.query_xy
    assert reference_xy is not None and query_xy is not None
    moved, found = track_points(first, query, reference_xy, [query_xy])
    moved, known = moved[found], reference_xy[found].astype(np.float64)
    if len(known) < MIN_FOUND:
        return moved, known
    distinct = detect_corners(first)
    guesses = [move_with_nearest(distinct, known, moved)]
    homography = fit_homography(moved, known, 10 * config.inlier_threshold)
    if homography is not None:
        mapped = np.c_[distinct, np.ones(len(distinct))] @ homography.T
        with np.errstate(all='ignore'):
            guesses.append(mapped[:, :2] / mapped[:, 2:])
    there, seen = track_points(first, query, distinct, guesses)
    return np.concatenate([moved, there[seen]]), np.concatenate([known, distinct[seen]])


def _image_of_place(place: Place, loaded: ReferenceImages) -> AlignmentImage | None:
    jpeg = loaded.image(place.index)
    return None if jpeg is None else alignment_image_from_jpeg(jpeg, place.image_size)


def _second_views(first: Place, ranked: Sequence[Place], loaded: ReferenceImages) -> list[Place]:
    """Places beside the first one that see it from elsewhere, the most promising first."""
    if not _has_camera_pose(first):
        return []
    nearby = {place.index: place for place in [*ranked, *loaded.around(first.index, REACH)]}
    nearby.pop(first.index, None)
    position, ahead = _position_and_axis(first)
    found = []
    for place in nearby.values():
        if not _has_camera_pose(place):
            continue
        other, other_ahead = _position_and_axis(place)
        distance = float(np.linalg.norm(other - position))
        turn = math.acos(np.clip(ahead @ other_ahead, -1, 1))
        if NEAREST <= distance <= FARTHEST and turn <= MAX_TURN:
            found.append((abs(math.log(distance / BEST)), place))
    return [place for _, place in sorted(found, key=lambda pair: (pair[0], pair[1].index))]


def _has_camera_pose(place: Place) -> bool:
    """Whether it is known where the camera stood, and how it was turned."""
    mounted = place.camera is not None and place.camera.mount is not None
    return mounted and place.pose is not None and place.pose.has_orientation


def _position_and_axis(place: Place) -> tuple[np.ndarray, np.ndarray]:
    """[3] position of the camera in the map, and [3] where it looks."""
    assert place.pose is not None and place.camera is not None and place.camera.mount is not None
    turn, mount = rotation_matrix(place.pose.orientation), place.camera.mount
    axis = turn @ rotation_matrix(mount.orientation)[:, 2]
    return place.pose.position + turn @ mount.position, axis


def _camera_pose(place: Place) -> Pose:
    """Of the optical frame in the map."""
    assert place.pose is not None and place.camera is not None and place.camera.mount is not None
    return compose(place.pose, place.camera.mount)


def _baseline(first: Place, second: Place) -> Pose:
    """Pose of the second camera in the first; errors of both poses count as independent."""
    return compose(inverse(_camera_pose(first)), _camera_pose(second))


def _with_second_view(
    aligned: _AlignedMatches,
    place: Place,
    second: Place,
    loaded: ReferenceImages,
    config: VerificationConfig,
) -> RelativePose | None:
    """The relative pose in metres, where a second view measures it."""
    second_camera = matching_camera(second.camera, second.image_size)
    other = _image_of_place(second, loaded)
    if second_camera is None or other is None:
        return None
    baseline = _baseline(place, second)
    of_first = pixels_to_rays(aligned.first_camera, aligned.first_xy, place.image_size)
    guesses = sample_epipolar_lines(of_first, second_camera, second.image_size, baseline)
    second_xy, found = track_points(aligned.first, other, aligned.first_xy, guesses)
    query_xy = aligned.query_xy[found]
    views = [
        pixels_to_rays(aligned.query_camera, query_xy, aligned.size),
        of_first[found],
        pixels_to_rays(second_camera, second_xy[found], second.image_size),
    ]
    valid = np.all([view.valid for view in views], axis=0)
    tracks = ThreeViewTracks(views[0][valid], views[1][valid], views[2][valid], baseline)
    return metric_pose(
        tracks,
        patch_ids(rescale(query_xy[valid], aligned.size)),
        limit=config.inlier_threshold,
        min_patches=MIN_PATCHES,
        epipolar=aligned.relative,
    )


def _base_pose(place: Place, relative: RelativePose, aligned: _AlignedMatches) -> Pose | None:
    """Pose of the query's base in the map frame, None where its camera has no mount."""
    mount = aligned.query_camera.mount
    if mount is None:
        return None
    first_in_query = Pose(relative.translation, relative.orientation, relative.covariance)
    query = compose(_camera_pose(place), inverse(first_in_query))
    return compose(query, inverse(mount))
