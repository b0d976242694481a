"""Drives through a map as examples for the calibration: inside the map and outside of it.

Each image is looked up twice: in the map as it is, and in the map without all references near the
right ones, where every place found is wrong. The second stands for an image outside the map.
"""

from __future__ import annotations

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


@dataclass(frozen=True, eq=False)
class CalibrationDrive:
    """The images of one drive, in the order in which they were taken.

    Attributes:
        name: of the drive, shown to users.
        examples: its images.
    """

    name: str
    examples: list[CalibrationExample]


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
    examples = []
    for position, frame in source.frames(on_bad=on_bad, stop=total):
        right = positives[position]
        if right is not None:
            examples.append(_example(recognizer, frame, right, masks[position]))
        if progress is not None:
            progress(position + 1, total, '')
    return CalibrationDrive(source.session_id, examples)


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
