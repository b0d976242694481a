"""Which rate of images the machine holds, and what takes the time."""

from __future__ import annotations

from collections.abc import Iterator

from fol_vpr.checks.findings import Finding, Severity, ok, skipped
from fol_vpr.checks.recognition.facts import TrialFacts

SLOW = 1.0
"""Images per second below which a robot that drives misses places."""
_REMEDIES = {
    'forward': 'give the network a GPU, fewer pixels (network.input_size, with a map built for '
    'it), precision int8 where the CPU has VNNI and no AMX, or a smaller network',
    'rerank': 'lower retrieval.rerank, the number of candidates that are compared by local '
    'features',
    'search': 'set retrieval.index to large or gpu (docs/how-to/large_maps.md)',
    'verify': 'lower verification.verify, the number of candidates that are verified',
    'refine_pose': 'set verification.refine_pose to false where no pose in metres is needed',
    'resize': 'take smaller images from the camera',
}


def examine_trial(facts: TrialFacts, camera_rate: float | None) -> Iterator[Finding]:
    """Findings on the timed trial.

    Args:
        facts: of the trial.
        camera_rate: images per second that the camera sends; None where it is unknown.
    """
    if not facts.images:
        yield skipped('trial.rate', facts.error or 'no trial')
        return
    total = facts.seconds.get('total', 0.0)
    searched = '' if facts.with_map else ' without a map, so without search and verification'
    seen = (
        f'{facts.rate:.1f} images per second{searched}, on {facts.device} with '
        f'{facts.precision}; {total * 1e3:.0f} ms from an image to its answer, '
        f'{facts.worst * 1e3:.0f} ms at worst ({facts.images} times {facts.image})'
    )
    if facts.rate < SLOW:
        yield Finding(
            'trial.rate', Severity.WARNING, seen,
            f'between two answers a robot drives {1 / facts.rate:.1f} m at 1 m/s',
            f'{stages(facts)}: {remedy(facts)}',
        )  # fmt: skip
    elif camera_rate is not None and camera_rate > facts.rate:
        dropped = 1 - facts.rate / camera_rate
        yield Finding(
            'trial.rate', Severity.WARNING, f'{seen}; the camera sends {camera_rate:.1f}',
            f'the node answers the newest image and drops {dropped:.0%} of them; answers stay '
            'recent',
            f'{stages(facts)}: {remedy(facts)}; or let the camera send {facts.rate:.0f} a second',
        )  # fmt: skip
    else:
        yield ok('trial.rate', seen)
        yield ok('trial.stages', stages(facts))
    yield ok(
        'trial.start',
        f'{facts.start:.1f} s to load and warm up, {facts.memory / 1e6:.0f} MB of memory',
    )


def stages(facts: TrialFacts) -> str:
    """Where the time goes, in words, the largest part first."""
    parts = sorted(_parts(facts).items(), key=lambda part: -part[1])
    shown = [f'{name} {seconds * 1e3:.0f} ms' for name, seconds in parts if seconds >= 5e-4]
    return 'the time goes into ' + ', '.join(shown[:5]) if shown else 'each stage under 1 ms'


def remedy(facts: TrialFacts) -> str:
    """What makes the slowest stage faster."""
    parts = _parts(facts)
    slowest = max(parts, key=lambda name: parts[name], default='forward')
    return _REMEDIES.get(slowest, 'see docs/how-to/tune.md')


def _parts(facts: TrialFacts) -> dict[str, float]:
    return {name: seconds for name, seconds in facts.seconds.items() if name != 'total'}
