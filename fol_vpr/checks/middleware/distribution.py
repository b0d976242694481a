"""Whether ROS 2 is there, and whom a node can meet."""

from __future__ import annotations

from collections.abc import Iterator

from fol_vpr.checks.findings import Finding, Severity, ok, skipped
from fol_vpr.checks.middleware.facts import RosFacts

SUPPORTED = ('jazzy', 'kilted', 'rolling', 'lyrical')
_MIDDLEWARES = ('rmw_fastrtps_cpp', 'rmw_fastrtps_dynamic_cpp', 'rmw_cyclonedds_cpp',
                'rmw_zenoh_cpp', 'rmw_connextdds')  # fmt: skip


def examine_distribution(facts: RosFacts) -> Iterator[Finding]:
    """Findings on the installation, the middleware and the discovery."""
    if facts.error:
        yield skipped(
            'ros.missing',
            f'ROS 2 is not usable here ({facts.error}): topics, frames and nodes are not examined',
            'source ROS 2 and this workspace, then run this again; maps, `fol_vpr query` and '
            '`fol_vpr evaluate` work without',
            'source /opt/ros/jazzy/setup.bash && source install/setup.bash',
        )
        return
    distribution = facts.distribution or 'of unknown distribution (ROS_DISTRO is not set)'
    if facts.distribution and facts.distribution not in SUPPORTED:
        yield Finding(
            'ros.distribution',
            Severity.WARNING,
            f'ROS 2 {facts.distribution}',
            'this package is tested with Jazzy and Kilted',
            'use one of these if something fails',
        )
    else:
        yield ok('ros.distribution', f'ROS 2 {distribution}, {facts.middleware}')
    if facts.messages_error:
        yield Finding(
            'ros.messages',
            Severity.ERROR,
            f'fol_vpr_msgs cannot be imported: {facts.messages_error}',
            'the node cannot start',
            'build the workspace and source it',
            'colcon build && source install/setup.bash',
        )
    if facts.tf_error:
        yield Finding(
            'ros.tf',
            Severity.WARNING,
            f'tf2_msgs cannot be imported: {facts.tf_error}',
            'the node cannot read /tf_static: where the camera sits on the robot has to come from '
            'the parameter camera_mount. Frames are not examined here',
            'install it',
            f'sudo apt install ros-{facts.distribution or "jazzy"}-tf2-msgs',
        )
    wanted = facts.environment.get('RMW_IMPLEMENTATION', '')
    if facts.rmw and wanted and wanted != facts.rmw:
        yield Finding(
            'ros.rmw',
            Severity.WARNING,
            f'RMW_IMPLEMENTATION is {wanted}, and {facts.rmw} is loaded',
            'nodes with different middlewares do not hear each other reliably',
            f'install the package of {wanted}, or unset RMW_IMPLEMENTATION everywhere',
        )
    elif wanted and wanted not in _MIDDLEWARES:
        yield Finding(
            'ros.rmw',
            Severity.WARNING,
            f'RMW_IMPLEMENTATION is {wanted}, which is none of {", ".join(_MIDDLEWARES)}',
            'nodes with another middleware are not heard',
            'correct it',
        )
    if facts.start_error:
        yield Finding(
            'ros.start',
            Severity.ERROR,
            f'no node of ROS 2 starts: {facts.start_error}',
            'the node cannot start either; topics, frames and nodes are not examined',
            _start_remedy(facts),
        )
    yield from _discovery(facts)


def _start_remedy(facts: RosFacts) -> str:
    wanted = facts.environment.get('RMW_IMPLEMENTATION', '')
    if wanted and wanted in facts.start_error:
        package = f'ros-{facts.distribution or "jazzy"}-{wanted.replace("_", "-")}'
        return f'install {wanted} (`sudo apt install {package}`), or unset RMW_IMPLEMENTATION'
    if 'domain' in facts.start_error.lower():
        return 'correct ROS_DOMAIN_ID'
    return 'mend what it says; with security enforced, give the node /fol_vpr_doctor an enclave'


def _discovery(facts: RosFacts) -> Iterator[Finding]:
    given = facts.environment
    domain = given.get('ROS_DOMAIN_ID', '')
    text = f'ROS_DOMAIN_ID {domain or "0 (not set)"}'
    if domain and not (domain.isdecimal() and int(domain) <= 232):
        yield Finding(
            'ros.domain',
            Severity.ERROR,
            f'ROS_DOMAIN_ID is {domain!r}',
            'no node can start',
            'set a number from 0 to 101, the same for all nodes of the robot',
            'export ROS_DOMAIN_ID=0',
        )
        return
    if domain and int(domain) > 101:
        yield Finding(
            'ros.domain',
            Severity.WARNING,
            text,
            'the ports of domains over 101 overlap with those that Linux gives to other programs',
            'take a number from 0 to 101',
        )
        return
    if given.get('ROS_LOCALHOST_ONLY') == '1':
        text += ', ROS_LOCALHOST_ONLY 1: nodes of this machine alone'
    elif reach := given.get('ROS_AUTOMATIC_DISCOVERY_RANGE', ''):
        text += f', discovery range {reach}'
    if server := given.get('ROS_DISCOVERY_SERVER', ''):
        text += f', discovery server {server}'
    yield ok('ros.domain', text)
