"""`fol_vpr doctor`: examines what a robot needs to recognise places, and says what to mend."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fol_vpr.checks import Finding, Severity, skipped
from fol_vpr.checks.findings import GROUPS
from fol_vpr.checks.machine.accelerator import examine_accelerator, torch_not_examined
from fol_vpr.checks.machine.facts import GpuFacts, MachineFacts
from fol_vpr.checks.machine.memory import examine_memory
from fol_vpr.checks.machine.processor import examine_processor
from fol_vpr.checks.machine.runtimes import examine_runtime
from fol_vpr.checks.middleware.distribution import examine_distribution
from fol_vpr.checks.middleware.facts import RosFacts, TransportFacts
from fol_vpr.checks.middleware.transport import examine_transport
from fol_vpr.checks.recognition.fit import examine_map, examine_weights
from fol_vpr.checks.recognition.trial import examine_trial
from fol_vpr.checks.topics.examination import examine_topics
from fol_vpr.checks.topics.facts import GraphFacts
from fol_vpr.checks.topics.images import rate_of
from fol_vpr.cli.common.output import STDOUT, write_json
from fol_vpr.cli.common.terminal import is_quiet
from fol_vpr.cli.doctor.gathering.gpu import gpu_facts
from fol_vpr.cli.doctor.gathering.machine import machine_facts
from fol_vpr.cli.doctor.gathering.recognition import RecognitionFacts, recognition_facts
from fol_vpr.cli.doctor.gathering.ros import tried_ros
from fol_vpr.cli.doctor.gathering.transport import transport_facts
from fol_vpr.cli.doctor.options import Given, given_parameters
from fol_vpr.cli.doctor.report import document, print_report

if TYPE_CHECKING:
    from fol_vpr.ros.doctor.gathering import Gathered

FOUND = 1
"""Exit code where something has to be mended."""


@dataclass(frozen=True)
class AllFacts:
    """Everything that was gathered.

    Attributes:
        machine, gpu, ros, transport, recognition: see their classes.
        graph: what was seen of ROS; None where that was not looked at.
        graph_skipped: why it was not.
        device: the setting network.device.
        trial_skipped: why no images were answered.
        map_elsewhere: path of the map of a running node that is not on this machine.
    """

    machine: MachineFacts
    gpu: GpuFacts
    ros: RosFacts
    transport: TransportFacts
    recognition: RecognitionFacts
    graph: GraphFacts | None
    graph_skipped: str
    device: str
    trial_skipped: str
    map_elsewhere: str = ''


def run_doctor(args: argparse.Namespace) -> int:
    """Run the verb; the exit code.

    Raises:
        InputError: a file that was given cannot be used.
    """
    given = given_parameters(args)
    if args.image:
        from fol_vpr.sources import read_image_file

        # The image is decoded by another process, much later.
        read_image_file(Path(args.image))
    _say('looks at the machine')
    machine, gpu, ros = machine_facts(), gpu_facts(), tried_ros()
    transport = transport_facts(ros, container=machine.container)
    code = 0

    def conclude(gathered: Gathered | None, reason: str = '') -> None:
        nonlocal code
        facts = _with_recognition(args, given, (machine, gpu, ros, transport), gathered, reason)
        findings = examine(facts)
        _say('')
        code = _exit_code(findings, args.fail_on)
        if args.json != STDOUT:
            print_report(findings)
        write_json(args, lambda: document(findings, facts, code))
        sys.stdout.flush()

    if args.offline:
        conclude(None, 'with --offline topics, frames and nodes are not examined')
    elif ros.error or ros.start_error:
        conclude(None)
    else:
        from fol_vpr.ros.doctor.gathering import gather
        from fol_vpr.ros.doctor.target import Wishes

        _say(f'listens for {args.seconds:g} s')
        gather(
            Wishes(
                seconds=args.seconds,
                node=args.node,
                namespace=args.namespace,
                image_topic=args.image_topic,
                camera_info_topic=args.camera_info_topic,
                odom_topic=args.odom_topic,
                values=given.values,
                given=given.from_file,
            ),
            conclude,
        )
    return code


def _with_recognition(
    args: argparse.Namespace,
    given: Given,
    looked_at: tuple[MachineFacts, GpuFacts, RosFacts, TransportFacts],
    gathered: Gathered | None,
    reason: str,
) -> AllFacts:
    """Add what weights, map and the timed trial tell."""
    values: dict[str, Any] = dict(given.values)
    graph, image, elsewhere = None, None, ''
    busy = False
    if gathered is not None:
        graph, image = gathered.facts, gathered.image
        values = {name: _plain(value) for name, value in gathered.target.values.items()}
        busy = any(each.state == 'active' for each in graph.localizers)
        path = str(values.get('map') or '')
        if path and 'map' not in given.values and not Path(path).expanduser().is_file():
            elsewhere, values['map'] = path, ''
    trial = (not busy) if args.trial is None else args.trial
    _say('loads weights and map, and answers images' if trial else 'loads weights and map')
    recognition = recognition_facts(values, image=image, image_file=args.image or '', trial=trial)
    device = str(values.get('network.device', 'auto'))
    skip = (
        'a localizer is active, and would answer later meanwhile; --trial measures nevertheless'
        if args.trial is None
        else '--no-trial is given'
    )
    return AllFacts(*looked_at, recognition, graph, reason, device, skip, elsewhere)


def _plain(value: Any) -> Any:
    """A value of a parameter in the types of JSON."""
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, 'tolist'):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def examine(facts: AllFacts) -> list[Finding]:
    """All findings, in the order in which they are shown."""
    order = list(GROUPS)
    return sorted(_findings(facts), key=lambda finding: order.index(finding.group))


def _findings(facts: AllFacts) -> Iterator[Finding]:
    recognition = facts.recognition
    yield from examine_processor(facts.machine)
    yield from examine_memory(facts.machine)
    if recognition.runtime is not None:
        yield from examine_runtime(facts.gpu, recognition.runtime, device=facts.device)
    elif recognition.torch is None:
        yield torch_not_examined(f'torch was not examined: {recognition.failure}')
    else:
        yield from examine_accelerator(
            facts.gpu,
            recognition.torch,
            device=facts.device,
            in_container=bool(facts.machine.container),
        )
    yield from examine_distribution(facts.ros)
    yield from examine_transport(facts.ros, facts.transport)
    if recognition.failure:
        yield Finding(
            'weights.crash',
            Severity.ERROR,
            f'the process that loads network and map failed: {recognition.failure}',
            'the node would end the same way',
            'reinstall torch for this machine, or free memory; see what it says',
            'python3 -c "import torch; print(torch.__version__)"',
        )
    if recognition.weights is not None:
        yield from examine_weights(recognition.weights)
    if facts.map_elsewhere:
        yield skipped(
            'map.elsewhere',
            f'the map {facts.map_elsewhere} of the running node is not on this machine',
            'run this on the machine of the node, or give --map',
        )
    elif recognition.map is not None or not recognition.failure:
        yield from examine_map(recognition.map)
    if facts.graph is not None:
        yield from examine_topics(facts.graph)
    elif facts.graph_skipped:
        yield skipped('ros.offline', facts.graph_skipped)
    if recognition.trial is not None:
        rate = None if facts.graph is None else rate_of(facts.graph)
        yield from examine_trial(recognition.trial, rate)
    elif not recognition.failure:
        yield skipped(
            'trial.rate',
            f'not measured: {facts.trial_skipped}',
            'its own times are in `recognition` of /diagnostics'
            if facts.graph is not None and facts.graph.localizers
            else '',
        )


def _exit_code(findings: list[Finding], fail_on: str) -> int:
    grave = {'error': (Severity.ERROR,), 'warning': (Severity.ERROR, Severity.WARNING)}
    found = any(finding.severity in grave.get(fail_on, ()) for finding in findings)
    return FOUND if found else 0


def _say(step: str) -> None:
    """Show on a terminal what is being done; an empty text removes it."""
    if sys.stderr.isatty() and not is_quiet():
        sys.stderr.write('\r' + ' ' * 79 + '\r' + (f'{step} ...' if step else ''))
        sys.stderr.flush()
