"""Refines the pose of a verified hypothesis from the images of query and map.

The matches are tracked to sub-pixel accuracy and give a relative pose, with the translation as a
direction only. A second map image at a known distance from the first one gives it in metres.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol
from weakref import WeakKeyDictionary

import numpy as np

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Camera, Frame, Place, PlaceHypothesis, Pose, PoseSource, RelativePose
from fol_vpr.geometry.metric.alignment import (
    AlignmentImage,
    alignment_image,
    alignment_image_from_jpeg,
    move_with_nearest,
    prepared_image,
    track_points,
)
from fol_vpr.geometry.metric.bundle_adjustment import ThreeViewTracks
from fol_vpr.geometry.metric.map_tracks import track_to_second_view
from fol_vpr.geometry.metric.three_views import MIN_POINTS, metric_pose
from fol_vpr.geometry.rigid import compose, inverse, rotation_matrix
from fol_vpr.geometry.side_by_side import side_by_side
from fol_vpr.geometry.two_view.coverage import patch_ids, rescale
from fol_vpr.geometry.two_view.models import fit_homography
from fol_vpr.geometry.two_view.pair import measure_pair
from fol_vpr.geometry.viewing_rays import Rays, matching_camera, pixels_to_rays

# Inlier threshold of tracked positions, as a fraction of the one for local features.
THRESHOLD_FACTOR = 0.5
# Fewest patches of the query that the points of a metric pose must cover: where the epipolar pose
# confirms it, and where there is none.
MIN_PATCHES, MIN_PATCHES_UNCONFIRMED = 15, 20
# Fewest tracked matches from which the positions of further corners are guessed.
MIN_TRACKED = 12
# Distance in metres of the second camera from the first: smallest, preferred and largest.
MIN_BASELINE, PREFERRED_BASELINE, MAX_BASELINE = 0.2, 1.0, 8.0
# Largest angle in radians between the optical axes of the two map images.
MAX_AXIS_ANGLE = math.radians(40.0)
# How many places before and after the first one, in the order of the session, may be the second.
NEIGHBOURS = 10


class ReferenceImages(Protocol):
    """The images of references: those of a map, or of the current drive."""

    def image(self, number: int) -> bytes | None:
        """JPEG of a place by its index, None where it has none; see `LiveMap.image`.

        Raises:
            MapError: the image is damaged.
        """
        ...

    def neighbours(self, number: int, reach: int) -> list[Place]:
        """Up to `reach` places before and after one in its session; see `LiveMap.neighbours`."""
        ...


@dataclass(frozen=True, eq=False)
class _TrackedMatches:
    """Tracked matches of the query and the first map image.

    Attributes:
        query_xy: [K, 2] positions in an image whose longer side has 640 pixels.
        query: their K viewing rays.
        first_xy: [K, 2] pixels of the first map image.
        first_rays: their K viewing rays.
        first: the first map image, prepared for tracking.
        place: that it shows.
        query_camera: calibration of the query.
    """

    query_xy: np.ndarray
    query: Rays
    first_xy: np.ndarray
    first_rays: Rays
    first: AlignmentImage
    place: Place
    query_camera: Camera

    def __len__(self) -> int:
        return len(self.query_xy)

    def __getitem__(self, rows: np.ndarray) -> _TrackedMatches:
        """Those of these rows, by a mask [K]."""
        return replace(
            self,
            query_xy=self.query_xy[rows],
            query=self.query[rows],
            first_xy=self.first_xy[rows],
            first_rays=self.first_rays[rows],
        )


def refine_pose(
    hypothesis: PlaceHypothesis,
    frame: Frame,
    references: ReferenceImages,
    ranked: Sequence[Place],
    config: VerificationConfig,
) -> PlaceHypothesis:
    """Add a relative pose to a verified hypothesis, and a refined pose where one can be estimated.

    Args:
        hypothesis: verified, with its matched positions.
        frame: the query.
        references: the images that the hypothesis' place is one of.
        ranked: places of other hypotheses, best first; candidates for the second map image.
        config: `inlier_threshold`, and `second_views`, how many second map images are tried.

    Returns:
        The hypothesis with `relative`, and with `pose` and `pose_source` where a second map image
        gave metres and the query's camera has a mount. It is returned unchanged where a camera is
        not calibrated for its image or the map image is missing.

    Raises:
        MapError: an image of a place is damaged.
    """
    precise = replace(config, inlier_threshold=THRESHOLD_FACTOR * config.inlier_threshold)
    tracked = _track_to_query(hypothesis, frame, references, precise)
    if tracked is None:
        return hypothesis
    first_xy = rescale(tracked.first_xy, hypothesis.place.image_size)
    geometry = measure_pair(tracked.query, tracked.first_rays, tracked.query_xy, first_xy, precise)
    aligned, relative = tracked[geometry.inlier], geometry.relative
    enough = len(aligned) >= MIN_POINTS and config.second_views
    views = _second_views(hypothesis.place, ranked, references) if enough else []
    pose, here = None, _viewpoint(hypothesis.place)
    to_first = inverse(here.camera) if views and here is not None else None
    for second, camera in views[: config.second_views]:
        assert to_first is not None
        # Errors of the poses of two map images are taken as independent.
        baseline = compose(to_first, camera)
        found = _metric_with_second_image(aligned, second, baseline, references, relative, precise)
        if found is not None:
            relative, pose = found, _base_pose(found, aligned)
            break
    hypothesis = replace(hypothesis, relative=relative)
    if pose is None:
        return hypothesis
    return replace(hypothesis, pose=pose, pose_source=PoseSource.REFINED)


def _track_to_query(
    hypothesis: PlaceHypothesis,
    frame: Frame,
    references: ReferenceImages,
    config: VerificationConfig,
) -> _TrackedMatches | None:
    """The tracked matches of the query and the hypothesis' image.

    None where a camera is not calibrated for its image, or there is no image or no match.
    """
    place = hypothesis.place
    size = (frame.image.shape[1], frame.image.shape[0])
    query_camera = matching_camera(frame.camera, size)
    first_camera = matching_camera(place.camera, place.image_size)
    if query_camera is None or first_camera is None:
        return None
    if hypothesis.query_xy is None or hypothesis.reference_xy is None:
        return None
    first, query = _first_and_query(place, frame, references)
    if first is None or query is None:
        return None
    query_xy, first_xy = _track_matches(first, query, hypothesis, config)
    return _TrackedMatches(
        rescale(query_xy, size),
        pixels_to_rays(query_camera, query_xy, size),
        first_xy,
        pixels_to_rays(first_camera, first_xy, place.image_size),
        first,
        place,
        query_camera,
    )


def _first_and_query(
    place: Place, frame: Frame, references: ReferenceImages
) -> list[AlignmentImage | None]:
    """The first map image, None where it is missing, and the query.

    On two threads, unless the corners of the map image are known already.

    Raises:
        MapError: the map image is damaged.
    """

    def of_place() -> AlignmentImage | None:
        image = _image_of_place(place, references)
        if image is not None:
            image.find_corners()
        return image

    def of_query() -> AlignmentImage | None:
        return alignment_image(frame.image)

    makers = (of_place, of_query)
    known = _known_image(place)
    if known is not None and known.corners_known:
        return [make() for make in makers]
    return side_by_side(lambda make: make(), makers)


def _track_matches(
    first: AlignmentImage,
    query: AlignmentImage,
    hypothesis: PlaceHypothesis,
    config: VerificationConfig,
) -> tuple[np.ndarray, np.ndarray]:
    """Track the matches, and further corners of the reference, from the reference to the query.

    Corners are more numerous than matches and are tracked more reliably. The tracked matches give
    two guesses of where a corner is in the query: displaced as the nearest match, and mapped by
    the homography of most matches.

    Returns:
        [K, 2] positions in the query and [K, 2] in the reference, pixels.
    """
    reference_xy, query_xy = hypothesis.reference_xy, hypothesis.query_xy
    assert reference_xy is not None and query_xy is not None
    moved, found = track_points(first, query, reference_xy, [query_xy])
    moved, known = moved[found], reference_xy[found].astype(np.float64)
    if len(known) < MIN_TRACKED:
        return moved, known
    corners = first.corners
    guesses = [move_with_nearest(corners, known, moved)]
    homography = fit_homography(moved, known, 10 * config.inlier_threshold)
    if homography is not None:
        mapped = np.c_[corners, np.ones(len(corners))] @ homography.T
        with np.errstate(all='ignore'):
            guesses.append(mapped[:, :2] / mapped[:, 2:])
    there, tracked = track_points(first, query, corners, guesses)
    return np.concatenate([moved, there[tracked]]), np.concatenate([known, corners[tracked]])


# What the prepared images of places are known by, so that they need not be read again.
_sources: WeakKeyDictionary[Place, bytes] = WeakKeyDictionary()


def _known_image(place: Place) -> AlignmentImage | None:
    """The image of a place, while it is prepared."""
    source = _sources.get(place)
    return None if source is None else prepared_image(source)


def _image_of_place(place: Place, references: ReferenceImages) -> AlignmentImage | None:
    known = _known_image(place)
    if known is not None:
        return known
    jpeg = references.image(place.index)
    image = None if jpeg is None else alignment_image_from_jpeg(jpeg, place.image_size)
    if image is not None:
        _sources[place] = image.source
    return image


def _second_views(
    first: Place, ranked: Sequence[Place], references: ReferenceImages
) -> list[tuple[Place, Pose]]:
    """Places whose camera is a suitable distance from the first one and looks the same way.

    Those whose distance is closest to the preferred baseline come first. With each is the
    pose of its camera in the map frame.
    """
    here = _viewpoint(first)
    if here is None:
        return []
    nearby = {
        place.index: place for place in [*ranked, *references.neighbours(first.index, NEIGHBOURS)]
    }
    nearby.pop(first.index, None)
    seen = [(place, there) for place in nearby.values() if (there := _viewpoint(place))]
    if not seen:
        return []
    offsets = np.array([there.camera.position for _, there in seen]) - here.camera.position
    distances = np.sqrt((offsets * offsets).sum(axis=1))
    cosines = np.array([there.axis for _, there in seen]) @ here.axis
    suitable = (distances >= MIN_BASELINE) & (distances <= MAX_BASELINE)
    suitable &= cosines >= math.cos(MAX_AXIS_ANGLE)
    found = [
        (abs(math.log(distances[row] / PREFERRED_BASELINE)), *seen[row])
        for row in np.flatnonzero(suitable)
    ]
    found.sort(key=lambda each: (each[0], each[1].index))
    return [(place, there.camera) for _, place, there in found]


class _Viewpoint(NamedTuple):
    """Where the camera of a place is.

    Attributes:
        camera: pose of its optical frame in the map frame.
        axis: [3] its optical axis in the map frame, unit length.
    """

    camera: Pose
    axis: np.ndarray


# A place does not change, and every image asks for those around its own.
_viewpoints: WeakKeyDictionary[Place, _Viewpoint] = WeakKeyDictionary()


def _viewpoint(place: Place) -> _Viewpoint | None:
    """None where position or orientation of the place's camera in the map are not known."""
    known = _viewpoints.get(place)
    if known is None:
        mount = None if place.camera is None else place.camera.mount
        if mount is None or place.pose is None or not place.pose.has_orientation:
            return None
        camera = compose(place.pose, mount)
        known = _Viewpoint(camera, rotation_matrix(camera.orientation)[:, 2])
        _viewpoints[place] = known
    return known


def _metric_with_second_image(
    aligned: _TrackedMatches,
    second: Place,
    baseline: Pose,
    references: ReferenceImages,
    epipolar: RelativePose | None,
    config: VerificationConfig,
) -> RelativePose | None:
    """The relative pose in metres from a second map image; None where it cannot be estimated.

    Args:
        aligned: those matches that are inliers of one motion.
        second: the place that the second map image shows.
        baseline: pose of its camera in that of the first map image.
        references: as of `refine_pose`.
        epipolar: the relative pose by the matches alone, if there is one.
        config: with the `inlier_threshold` of tracked positions.
    """
    camera = matching_camera(second.camera, second.image_size)
    other = _image_of_place(second, references)
    if camera is None or other is None:
        return None
    second_xy, found = track_to_second_view(
        aligned.first,
        other,
        aligned.first_xy,
        aligned.first_rays,
        aligned.place,
        second,
        baseline,
    )
    tracks = ThreeViewTracks(
        aligned.query[found],
        aligned.first_rays[found],
        pixels_to_rays(camera, second_xy[found], second.image_size),
        baseline,
    )
    query_xy = aligned.query_xy[found]
    valid = tracks.query.valid & tracks.first.valid & tracks.second.valid
    if not valid.all():
        tracks, query_xy = tracks[valid], query_xy[valid]
    return metric_pose(
        tracks,
        patch_ids(query_xy),
        limit=config.inlier_threshold,
        min_patches=MIN_PATCHES if epipolar else MIN_PATCHES_UNCONFIRMED,
        epipolar=epipolar,
    )


def _base_pose(relative: RelativePose, aligned: _TrackedMatches) -> Pose | None:
    """Pose of the query's base in the map frame; None where its camera has no mount."""
    mount, first = aligned.query_camera.mount, _viewpoint(aligned.place)
    if mount is None or first is None:
        return None
    first_in_query = Pose(relative.translation, relative.orientation, relative.covariance)
    query = compose(first.camera, inverse(first_in_query))
    return compose(query, inverse(mount))
