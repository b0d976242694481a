"""Collects what one node sends, and reports what it amounts to."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Collection, Sequence

from fol_vpr.monitoring.events import (
    Answer,
    ClosureSeen,
    Happening,
    Level,
    LoadedMap,
    Presence,
    Status,
)
from fol_vpr.monitoring.report import ImageCounts, Latency, NodeReport
from fol_vpr.monitoring.windows import Counter, EventRate, percentiles

WINDOW = 200
"""Answers over which latencies are taken."""
HISTORY = 120
"""Answers whose states are kept."""
CLOSURES = 5
"""Loop closures that are kept."""
HAPPENINGS = 50
SILENCE = 5.0
"""Seconds without a message after which a node counts as silent, at least."""
LEASE = 25.0
"""Seconds after which a process that was killed is no longer listed, with the default of DDS."""
_PERIODS = 3.0
_COUNTS = ('received', 'answered', 'dropped', 'bad', 'lost', 'waiting')


class WatchedNode:
    """One node, as its messages show it.

    Args:
        name: its full name.
        now: the moment at which it was found.

    Attributes:
        name: its full name.
        happenings: what happened to it, the newest last.
        problems: what is wrong with the watching itself; set by who watches.
    """

    def __init__(self, name: str, now: float) -> None:
        self.name = name
        self.happenings: deque[Happening] = deque(maxlen=HAPPENINGS)
        self.problems: Sequence[str] = ()
        self._found = now
        self._listed = True
        self._last: float | None = None
        self._presence = Presence.RUNNING
        self._identities: frozenset[str] = frozenset()
        # When counts last began anew: the graph may show the new process later.
        self._reset_at: float | None = None
        self._restarts = 0
        self._shared_since: float | None = None
        self._diagnosed: deque[float] = deque(maxlen=10)
        self._map: LoadedMap | None = None
        self._closures: deque[tuple[float, ClosureSeen]] = deque(maxlen=CLOSURES)
        self._closures_seen = 0
        self._forget()
        self._happened(now, 'found')

    def _forget(self) -> None:
        """Forget what an earlier process of this name has sent."""
        self._answer: tuple[float, Answer] | None = None
        self._state_since = 0.0
        self._history: deque[str] = deque(maxlen=HISTORY)
        self._answers = EventRate()
        self._latencies: deque[tuple[float, float]] = deque(maxlen=WINDOW)
        self._counters = {name: Counter() for name in _COUNTS}
        self._counted = False
        self._statuses: dict[str, Status] = {}

    # ---- what is received

    def listed(self, now: float, is_listed: bool, identities: Collection[str] = ()) -> None:
        """The graph of ROS was looked at.

        Args:
            now: the moment.
            is_listed: whether the node is in it.
            identities: of the publishers that the node keeps for as long as it lives; empty where
                they are not known. Another process of the same name has others.
        """
        found = frozenset(identities)
        restart_known = self._reset_at is not None and now - self._reset_at < LEASE
        if self._identities and found - self._identities and not restart_known:
            if found & self._identities:
                self._restarted(
                    now,
                    'has a second process: it was killed and started anew, or two nodes share '
                    'the name',
                )
            else:
                self._restarted(now, 'was restarted: counts and latencies begin anew')
        if found:
            self._identities = found
        if len(found) < 2:
            self._shared_since = None
        elif self._shared_since is None:
            self._shared_since = now
        self._listed = is_listed
        self._update_presence(now)

    def answered(self, now: float, answer: Answer) -> None:
        """An answer arrived."""
        self._heard(now)
        if self._answer is None or self._answer[1].state != answer.state:
            self._state_since = now
        if self._answer is not None and self._answer[1].map_id != answer.map_id:
            self._happened(now, f'answers by another map: {answer.map_id or "none"}')
        self._answer = now, answer
        self._history.append(answer.state)
        self._answers.add(now)
        self._latencies.append((answer.processing, answer.waiting))

    def diagnosed(self, now: float, statuses: Collection[Status]) -> None:
        """Diagnostics of the node arrived."""
        if any(self._goes_back(status) for status in statuses):
            self._restarted(now, 'was restarted: its counts begin anew')
            self._reset_at = now
        self._heard(now)
        self._diagnosed.append(now)
        for status in statuses:
            before = self._statuses.get(status.part)
            was = Level.OK if before is None else before.level
            if status.level != was:
                text = status.message if status.level else 'again as it should be'
                self._happened(now, f'{status.part} {status.level.name}: {text}')
            self._statuses[status.part] = status
            if status.part == 'images':
                self._count(now, status)

    def map_loaded(self, now: float, loaded: LoadedMap) -> None:
        """The node told which map it has loaded."""
        if self._map is not None and self._map.map_id != loaded.map_id:
            self._happened(now, f'another map: {loaded.name or "none"}')
        self._map = loaded

    def closed(self, now: float, closures: Sequence[ClosureSeen]) -> None:
        """Loop closures arrived."""
        self._heard(now)
        self._closures_seen += len(closures)
        self._closures.extendleft((now, closure) for closure in closures)

    # ---- what it amounts to

    def report(self, now: float) -> NodeReport:
        """What is known of the node."""
        self._update_presence(now)
        moment, answer = (None, None) if self._answer is None else self._answer
        counters = self._counters
        rates = [counters[name].rate() for name in ('received', 'answered')]
        return NodeReport(
            name=self.name,
            presence=self._presence,
            silent_for=None if self._last is None else now - self._last,
            restarts=self._restarts,
            lifecycle=self._lifecycle(),
            answer=answer,
            answer_age=None if moment is None else now - moment,
            state_age=None if moment is None else now - self._state_since,
            history=tuple(self._history),
            received_rate=rates[0],
            answered_rate=self._answers.rate(now) if rates[1] is None else rates[1],
            counts=self._counts() if self._counted else None,
            processing=_latency([processing for processing, _ in self._latencies]),
            waiting=_latency([waiting for _, waiting in self._latencies]),
            loaded_map=self._map,
            statuses=tuple(self._statuses.values()),
            closures=tuple((now - then, closure) for then, closure in self._closures),
            closures_seen=self._closures_seen,
            problems=(*self.problems, *self._doubt(now)),
        )

    def _doubt(self, now: float) -> list[str]:
        """What speaks against a single node of this name."""
        if self._shared_since is None or now - self._shared_since < LEASE:
            return []
        return [
            f'{len(self._identities)} processes are called {self.name}: their answers and counts '
            'are mixed here; give each node a namespace of its own'
        ]

    def _lifecycle(self) -> str:
        status = self._statuses.get('node')
        return '' if status is None else status.values.get('state', '')

    def _counts(self) -> ImageCounts:
        received, _ = self._counters['received'].lately()
        dropped, _ = self._counters['dropped'].lately()
        values = {name: counter.value for name, counter in self._counters.items()}
        share = min(1.0, dropped / received) if received else None
        return ImageCounts(**values, dropped_share=share)

    def _goes_back(self, status: Status) -> bool:
        value = _number(status, 'received') if status.part == 'images' else None
        return self._counted and value is not None and value < self._counters['received'].value

    def _count(self, now: float, status: Status) -> None:
        for name, counter in self._counters.items():
            value = _number(status, name)
            if value is not None:
                counter.set(now, value)
                self._counted = True

    def _restarted(self, now: float, text: str) -> None:
        self._restarts += 1
        self._forget()
        self._map = None
        self._diagnosed.clear()
        self._happened(now, text)

    def _heard(self, now: float) -> None:
        self._last = now
        self._update_presence(now)

    def _update_presence(self, now: float) -> None:
        last = self._found if self._last is None else self._last
        presence = Presence.RUNNING
        if not self._listed:
            presence = Presence.GONE
        elif now - last > self._patience():
            presence = Presence.SILENT
        if presence == self._presence:
            return
        texts = {
            Presence.GONE: 'has stopped, or left the network',
            Presence.SILENT: f'has sent nothing for {now - last:.0f} s: it hangs, was killed, or '
            'cannot be reached',
            Presence.RUNNING: 'is there again',
        }
        self._presence = presence
        self._happened(now, texts[presence])

    def _patience(self) -> float:
        """Seconds without a message after which the node counts as silent."""
        moments = list(self._diagnosed)
        gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
        typical = percentiles(gaps)
        return max(SILENCE, _PERIODS * typical[0]) if typical else SILENCE

    def _happened(self, now: float, text: str) -> None:
        self.happenings.append(Happening(now, self.name, text))


def _latency(seconds: Sequence[float]) -> Latency | None:
    found = percentiles(seconds)
    return None if found is None else Latency(*found)


def _number(status: Status, key: str) -> int | None:
    try:
        return int(status.values[key])
    except (KeyError, ValueError):
        return None
