"""What went wrong with the images of a bag while they were read once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fol_vpr.sources.bags.bag import Message, Topic
from fol_vpr.sources.bags.clocks import TopicClock, offset_problem, overlap_problem
from fol_vpr.sources.bags.poses import PoseTrack


class PassReport:
    """Counts problems of the images while they are read, to report them at the end.

    Args:
        topic: of the images.
        clock: gives the images their times.
        track: the poses, or None.
        pose_clock: the clock of the poses, or None.
        leaves_out: whether images without a pose are left out.
    """

    def __init__(
        self,
        topic: Topic,
        clock: TopicClock,
        track: PoseTrack | None,
        pose_clock: TopicClock | None,
        *,
        leaves_out: bool,
    ) -> None:
        self.clock = clock
        self._topic = topic
        self._track = track
        self._pose_clock = pose_clock
        self._leaves_out = leaves_out
        self._seen = 0
        self._outside = 0
        self._in_gaps = 0
        self._missing = 0
        self._range_ns = (2**63 - 1, 0)

    def count(self, stamp_ns: int, *, is_lost: bool) -> None:
        """Note an image of this time in nanoseconds; `is_lost` if it has no pose, but should."""
        self._seen += 1
        self._range_ns = min(self._range_ns[0], stamp_ns), max(self._range_ns[1], stamp_ns)
        if is_lost and self._track is not None:
            inside = self._track.covers(stamp_ns)
            self._in_gaps += inside
            self._outside += not inside

    def counted(self, messages: Iterable[Message]) -> Iterator[Message]:
        """The same messages; counts whether the topic has as many as the bag promises."""
        count = 0
        for message in messages:
            count += 1
            yield message
        self._missing = self._topic.count - count

    def warnings(self) -> list[str]:
        """The problems, in words."""
        images = f'images on {self._topic.name}'
        found = []
        if self._missing:
            found.append(
                f'the bag promises {self._topic.count} {images} and holds '
                f'{self._topic.count - self._missing}; it may be damaged'
            )
        found += self.clock.problems(images, 'they are used in the order of reception')
        if self._track is not None:
            found += self._of_poses(self._track, images)
        return found

    def _of_poses(self, track: PoseTrack, images: str) -> list[str]:
        found = []
        left_out = ' and are left out' if self._leaves_out else ''
        begin, end = (int(track.stamps[index]) for index in (0, -1))
        spans = self._range_ns, (begin, end)
        apart = self._seen and (self._range_ns[0] > end or self._range_ns[1] < begin)
        if self._outside and apart:
            found.append(
                f'{self._outside} of {self._seen} {images} have no pose{left_out}: '
                f'{overlap_problem(*spans, images)}'
            )
        elif self._outside:
            first, last = (ns / 1e9 for ns in self._range_ns)
            found.append(
                f'{self._outside} of {self._seen} {images} have no pose{left_out}: they lie '
                f'outside the poses, which run from {begin / 1e9:.3f} to {end / 1e9:.3f} s '
                f'(images: {first:.3f} to {last:.3f} s)'
            )
        if self._in_gaps:
            found.append(
                f'{self._in_gaps} of {self._seen} {images} have no pose{left_out}: it would be '
                f'interpolated across more than {track.max_gap_ns / 1e9:g} s; most poses are '
                f'{track.usual_gap:.3g} s apart, and --max-pose-gap sets across how many seconds '
                'they are interpolated'
            )
        if self._pose_clock is not None and not apart:
            ahead = self._pose_clock.offset_from(self.clock)
            if ahead:
                found.append(offset_problem(ahead, 'the poses', f'the {images}'))
        return found
