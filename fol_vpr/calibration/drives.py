"""Drives through a map as examples for the calibration: inside the map and outside of it.

Each image is looked up twice: in the map as it is, and in the map without all references near the
right ones, where every place found is wrong. The second stands for an image outside the map.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Frame, Place
from fol_vpr.decision import Locations, Observation
from fol_vpr.errors import FolVprError, InputError
from fol_vpr.evaluation.ground_truth import Positives

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.sources import FrameSource

Progress = Callable[[int, int, str], None]
OnBad = Callable[[int, FolVprError], None]

# References within this many place radii of a right one are left out too: their images show nearly
# the same view, so that the query would still be inside the map, at a place that is a little off.
MASK_RADIUS_FACTOR = 4.0
# With fewer references left, a search does not resemble one in a map.
MIN_REFERENCES_LEFT = 5
# Images that must show a place of the map.
MIN_QUERIES = 20
# Drives whose images are more than this factor apart in time are said to differ.
MAX_INTERVAL_RATIO = 3.0
# A map counts as built from a drive if more than this fraction of a session are its images.
OWN_FRACTION = 0.5
# Stamps over this (in nanoseconds, March 1973) are absolute times; smaller ones count from the
# start of a drive, and so occur in many drives.
MIN_ABSOLUTE_NS = 10**17


@dataclass(frozen=True, eq=False)
class CalibrationExample:
    """One image of a drive.

    Attributes:
        observation: evidence from the map as it is.
        positives: `Place.index` of the references that show its place; may be empty.
        masked: evidence from the map without the positives and their surroundings; None where the
            image has no positives, or too few references would be left.
    """

    observation: Observation
    positives: frozenset[int]
    masked: Observation | None


@dataclass(frozen=True)
class DriveConditions:
    """How the images of a drive were taken, which the probabilities depend on as well.

    Attributes:
        interval: median seconds between two images; NaN where the images have no times.
        odometry: share of the images with odometry, 0 to 1.
        camera: share of the images whose camera is calibrated, 0 to 1.
    """

    interval: float = math.nan
    odometry: float = 0.0
    camera: float = 0.0

    @classmethod
    def of(cls, frames: Sequence[tuple[int, bool, bool]]) -> DriveConditions:
        """The conditions of images, each by its stamp (ns), and whether the others are known."""
        if not frames:
            return cls()
        stamps, odometry, camera = (
            np.array(column, float) for column in zip(*frames, strict=True)
        )
        steps = np.diff(stamps) / 1e9
        steps = steps[steps > 0]
        interval = float(np.median(steps)) if len(steps) else math.nan
        return cls(interval, float(odometry.mean()), float(camera.mean()))

    def as_json(self) -> dict[str, float | None]:
        """The fields as values for JSON, with None for NaN."""
        interval = None if math.isnan(self.interval) else round(self.interval, 6)
        return {'interval_s': interval, 'odometry': self.odometry, 'camera': self.camera}


@dataclass(frozen=True, eq=False)
class CalibrationDrive:
    """The images of one drive, in the order in which they were taken.

    Attributes:
        name: of the drive, shown to users.
        examples: its images.
        conditions: how they were taken.
    """

    name: str
    examples: list[CalibrationExample]
    conditions: DriveConditions = DriveConditions()


def differing_drives(drives: Sequence[CalibrationDrive]) -> list[str]:
    """What differs between drives that one calibration is fitted to, each with what it means."""
    said = []
    intervals = [d.conditions.interval for d in drives if d.conditions.interval > 0]
    if intervals and max(intervals) > MAX_INTERVAL_RATIO * min(intervals):
        said.append(
            f'the drives have an image every {min(intervals):.3g} s to {max(intervals):.3g} s: '
            'the probabilities hold for a mixture of these rates; calibrate with drives at the '
            'rate of the robot'
        )
    for what, words in (('odometry', 'odometry'), ('camera', 'a calibrated camera')):
        shares = [getattr(drive.conditions, what) for drive in drives]
        if any(share > 0.5 for share in shares) and any(share < 0.5 for share in shares):
            with_it = [d.name for d, share in zip(drives, shares, strict=True) if share > 0.5]
            said.append(
                f'only {", ".join(with_it)} of {len(drives)} drives has {words}: the '
                'probabilities hold for a mixture; calibrate with drives that have what the robot '
                'has'
            )
    return said


def check_enough(known: int) -> None:
    """Refuse drives too few of whose images show a place of the map.

    Args:
        known: number of images that show one.

    Raises:
        InputError: there are fewer than `MIN_QUERIES`.
    """
    if known < MIN_QUERIES:
        raise InputError(
            f'{known} images show a place of the map, at least {MIN_QUERIES} are needed to '
            'learn from: take a longer drive through the map, or check the ground truth'
        )


def check_promising(
    places: Sequence[Place], positives: Sequence[Positives], config: VerificationConfig
) -> None:
    """Refuse drives that no calibration can come from, before their images are looked up.

    Args:
        places: of the map.
        positives: of each drive, for each of its images.
        config: the extent of a place.

    Raises:
        InputError: too few images show a place of the map; or no image is outside the map, and
            none is left outside where its place is taken out, as that is nearly all of the map.
    """
    known = [found for drive in positives for found in drive if found]
    check_enough(len(known))
    outside = sum(found is not None and not found for drive in positives for found in drive)
    if outside or any(masked_references(places, known, config)):
        return
    shown = np.median([len(found) for found in known])
    raise InputError(
        f'an image shows mostly {shown:.0f} of the {len(places)} references, and without those '
        f'and what is within {MASK_RADIUS_FACTOR:g} place radii of them '
        f'({config.place_radius:g} m each) fewer than {MIN_REFERENCES_LEFT} are left: nothing '
        'tells what is found where the map does not have the place. Give a smaller '
        '--place-radius and --positive-radius, or --scale; else build the map from a longer drive'
    )


def check_other_drive(source: FrameSource, places: Sequence[Place], path: str) -> None:
    """Refuse the drive that a map was built from, as each image would find itself in the map.

    Args:
        source: the drive.
        places: of the map.
        path: of the map, for the message.

    Raises:
        InputError: most places of a session are images of this drive. Images are compared by
            their URIs, by stamp and URI where all images share one URI, and, for files that were
            moved, by session, stamp and file name.
    """
    images = [(each.stamp_ns, each.uri) for each in source.captures()]
    # All images of a bag share one URI.
    uris = {uri for uri, count in Counter(uri for _, uri in images).items() if count == 1}
    stamped, named = set(images), {(stamp, PurePath(uri).name) for stamp, uri in images}

    def is_own(place: Place) -> bool:
        stamp, uri = place.stamp_ns, place.image_uri
        # `map merge --qualify` puts the name of a map before the session.
        moved = (
            place.session_id.rpartition('/')[2] == source.session_id and stamp > MIN_ABSOLUTE_NS
        )
        return (
            uri in uris
            or (stamp, uri) in stamped
            or (moved and (stamp, PurePath(uri).name) in named)
        )

    sessions: dict[str, list[bool]] = {}
    for place in places:
        sessions.setdefault(place.session_id, []).append(is_own(place))
    for session, own in sessions.items():
        if sum(own) > OWN_FRACTION * len(own):
            raise InputError(
                f'the map was built from this drive: {sum(own)} of the {len(own)} places of the '
                f'session {session!r} of {path} are images of {source.description}, each of '
                'which would find itself; give another drive through the same places'
            )


def collect(
    recognizer: PlaceRecognizer,
    source: FrameSource,
    positives: Positives,
    *,
    limit: int | None = None,
    progress: Progress | None = None,
    on_bad: OnBad | None = None,
) -> CalibrationDrive:
    """Look up every image of a drive, in the map as it is and in the map without its place.

    Args:
        recognizer: with its map loaded.
        source: the drive.
        positives: for each of its images; an image whose position is not known (None) is left
            out.
        limit: number of images to take, from the first; None takes all.
        progress: called with the images done, their number, and a note.
        on_bad: called with position and error of an image that cannot be read, and is left out.

    Raises:
        InputError: an image cannot be read, and there is no `on_bad`.
        MapError: no map is loaded, or it can no longer be read.
    """
    masks = masked_references(recognizer.places, positives, recognizer.config.verification)
    total = len(source) if limit is None else min(limit, len(source))
    examples, taken = [], []
    for position, frame in source.frames(on_bad=on_bad, stop=total):
        right = positives[position]
        if right is not None:
            examples.append(_example(recognizer, frame, right, masks[position]))
            known = frame.odometry is not None, frame.camera is not None
            taken.append((frame.stamp_ns, *known))
        if progress is not None:
            progress(position + 1, total, '')
    return CalibrationDrive(source.session_id, examples, DriveConditions.of(taken))


def _example(
    recognizer: PlaceRecognizer, frame: Frame, right: frozenset[int], mask: frozenset[int]
) -> CalibrationExample:
    features = recognizer.extract(frame)
    observation = recognizer.observe(frame, features)
    masked = recognizer.observe(frame, features, exclude=mask) if mask else None
    return CalibrationExample(observation, right, masked)


def masked_references(
    places: Sequence[Place], positives: Positives, config: VerificationConfig
) -> list[frozenset[int]]:
    """The references that are left out for each query: its positives and what is near to them.

    Args:
        places: the references of the map.
        positives: for each query.
        config: the extent of a place.

    Returns:
        For each query their `Place.index`; empty where too few references would be left.
    """
    known = [found or frozenset() for found in positives]
    locations = Locations(places)
    by_index = {place.index: place for place in places}
    numbers = np.array([place.index for place in places])
    near = {
        index: frozenset(
            numbers[
                locations.same(by_index[index], config, radius_factor=MASK_RADIUS_FACTOR)
            ].tolist()
        )
        for index in frozenset().union(*known)
    }
    masks = [frozenset().union(*(near[index] for index in found)) for found in known]
    return [
        mask if len(mask) + MIN_REFERENCES_LEFT <= len(places) else frozenset() for mask in masks
    ]
