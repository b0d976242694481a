"""All findings on topics, clocks, frames and nodes."""

from __future__ import annotations

from collections.abc import Iterator

from fol_vpr.checks.findings import Finding
from fol_vpr.checks.topics.camera import examine_camera
from fol_vpr.checks.topics.clock import examine_clock, examine_stamps
from fol_vpr.checks.topics.facts import GraphFacts
from fol_vpr.checks.topics.frames import examine_frames
from fol_vpr.checks.topics.images import examine_images
from fol_vpr.checks.topics.localizers import examine_localizers
from fol_vpr.checks.topics.odometry import examine_odometry


def examine_topics(facts: GraphFacts) -> Iterator[Finding]:
    """The findings of all parts."""
    yield from examine_localizers(facts)
    yield from examine_clock(facts)
    yield from examine_images(facts)
    yield from examine_stamps(facts)
    yield from examine_camera(facts)
    yield from examine_frames(facts)
    yield from examine_odometry(facts)
