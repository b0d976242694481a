"""What is closed when the node is cleaned up, and in which order."""

from __future__ import annotations

from types import SimpleNamespace

from fol_vpr.ros.node.runtime import Runtime


def test_threads_end_before_what_they_use_is_closed():
    calls: list[str] = []
    runtime = Runtime(
        recognizer=SimpleNamespace(close=lambda: calls.append('recognizer')),
        publishers=SimpleNamespace(close=lambda: calls.append('publishers')),
        pipeline=SimpleNamespace(stop=lambda: calls.append('pipeline')),
    )
    runtime.close()
    assert calls == ['pipeline', 'publishers', 'recognizer']
