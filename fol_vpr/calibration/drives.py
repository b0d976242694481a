"""Drives through a map: what each image gave, and what it would have given elsewhere.

That an image shows no place of the map is learned from the same images: all references near the
right ones are left out, and whatever is found then is wrong.
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

# References within this many place radii of a right one are left out too: from there the camera
# sees nearly the same, so the image would still be one of the map, with its place a little off.
MASKED = 4.0
# A search among fewer references than these tells nothing of a map.
MIN_LEFT = 5
# A map was built from a drive whose images these many of the places of one session are.
OWN_SHARE = 0.5
# Nanoseconds from 1973 on are those of a clock; fewer count from a start, as many drives do.
CLOCK = 10**17


@dataclass(frozen=True, eq=False)
class Example:
    """One image.

    Attributes:
        observation: what it gave.
        positives: `Place.index` of the references that show its place; may be empty.
        masked: what it gave without these and their surroundings; None where there are none.
    """

    observation: Observation
    positives: frozenset[int]
    masked: Observation | None


@dataclass(frozen=True, eq=False)
class Drive:
    """Images of one drive in their order.

    Attributes:
        name: for people.
    """

    name: str
    examples: list[Example]


def check_other_drive(source: FrameSource, places: Sequence[Place], path: str) -> None:
    """Refuse the drive that a map was built from: that its images find themselves teaches nothing.

    Args:
        source: the drive.
        places: of the map.
        path: of the map, for the message.

    Raises:
        InputError: the places of a session are images of this drive: by their URIs and, where one
            URI stands for many, stamps; or, where the drive was moved, by session, stamp and name.
    """
    images = [(each.stamp_ns, each.uri) for each in source.captures()]
    # All images of a bag have one URI.
    uris = {uri for uri, count in Counter(uri for _, uri in images).items() if count == 1}
    stamped, named = set(images), {(stamp, PurePath(uri).name) for stamp, uri in images}

    def is_own(place: Place) -> bool:
        stamp, uri = place.stamp_ns, place.image_uri
        # A map that was merged with qualified names has the name of a map before that.
        moved = place.session_id.rpartition('/')[2] == source.session_id and stamp > CLOCK
        return (
            uri in uris
            or (stamp, uri) in stamped
            or (moved and (stamp, PurePath(uri).name) in named)
        )

    sessions: dict[str, list[bool]] = {}
    for place in places:
        sessions.setdefault(place.session_id, []).append(is_own(place))
    for session, own in sessions.items():
        if sum(own) > OWN_SHARE * len(own):
            raise InputError(
                f'the map was built from this drive: {sum(own)} of the {len(own)} places of the '
                f'session {session!r} of {path} are images of {source.description}, which would '
                'find themselves; give another drive through the same places'
            )


def collect(
    recognizer: PlaceRecognizer,
    source: FrameSource,
    positives: Positives,
    *,
    limit: int | None = None,
    progress: Progress | None = None,
    on_bad: OnBad | None = None,
) -> Drive:
    """Look at every image of a drive with the map as it is, and without what the image shows.

    Args:
        recognizer: with its map loaded.
        source: the drive.
        positives: for each of its images; those of which it is not known where they were taken
            are left out, for they may show any place or none.
        limit: how many images to take, from the first; None takes all.
        progress: called with the images done, their number, and a note.
        on_bad: called with position and error of an image that cannot be read, and is left out.

    Raises:
        InputError: an image cannot be read, and there is no `on_bad`.
        MapError: no map is loaded, or it cannot be read any more.
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
    return Drive(source.session_id, examples)


def _example(
    recognizer: PlaceRecognizer, frame: Frame, right: frozenset[int], mask: frozenset[int]
) -> Example:
    features = recognizer.extract(frame)
    observation = recognizer.observe(frame, features)
    masked = recognizer.observe(frame, features, exclude=mask) if mask else None
    return Example(observation, right, masked)


def masked_references(
    places: Sequence[Place], positives: Positives, config: VerificationConfig
) -> list[frozenset[int]]:
    """For each query the references around its positives; none where hardly any other is left."""
    known = [found or frozenset() for found in positives]
    locations = Locations(places)
    by_index = {place.index: place for place in places}
    numbers = np.array([place.index for place in places])
    near = {
        index: frozenset(
            numbers[locations.same(by_index[index], config, radius_factor=MASKED)].tolist()
        )
        for index in frozenset().union(*known)
    }
    masks = [frozenset().union(*(near[index] for index in found)) for found in known]
    return [mask if len(mask) + MIN_LEFT <= len(places) else frozenset() for mask in masks]
