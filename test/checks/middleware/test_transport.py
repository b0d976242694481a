"""Findings on ROS 2, its discovery and its transport."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from helpers.doctor.findings import by_key, problems

from fol_vpr.checks import Severity
from fol_vpr.checks.middleware.distribution import examine_distribution
from fol_vpr.checks.middleware.facts import RosFacts, TransportFacts
from fol_vpr.checks.middleware.profile import read_profile
from fol_vpr.checks.middleware.transport import examine_transport
from fol_vpr.errors import InputError

OWN = (Path(__file__).resolve().parents[3] / 'config' / 'fastdds_shm.xml').read_text()
OLD, NEW = 'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'
SOUND = TransportFacts(
    profile=OWN, shm_size=2**33, shm_free=2**33, receive_buffer=2**24
)  # fmt: skip


def ros(distribution: str = 'jazzy', rmw: str = 'rmw_fastrtps_cpp', **variables: str) -> RosFacts:
    return RosFacts(rmw=rmw, environment={'ROS_DISTRO': distribution, **variables})


def transport(**values) -> TransportFacts:
    return dataclasses.replace(SOUND, **values)


def test_a_sound_environment():
    facts = ros(**{OLD: '/fastdds_shm.xml'})
    assert problems(examine_distribution(facts)) == set()
    assert problems(examine_transport(facts, SOUND)) == set()
    assert 'segments of 32 MiB' in by_key(examine_transport(facts, SOUND))['dds.profile'].seen


def test_without_ros():
    found = by_key(examine_distribution(RosFacts(error="No module named 'rclpy'")))
    assert set(found) == {'ros.missing'}
    assert found['ros.missing'].severity is Severity.SKIPPED


def test_what_is_missing_or_wrong_in_the_environment():
    facts = dataclasses.replace(ros(), messages_error='no', tf_error='no')
    assert problems(examine_distribution(facts)) == {'ros.messages', 'ros.tf'}
    other = ros(RMW_IMPLEMENTATION='rmw_cyclonedds_cpp')
    assert problems(examine_distribution(other)) == {'ros.rmw'}
    misspelt = RosFacts(environment={'RMW_IMPLEMENTATION': 'rmw_fastrtps'})
    assert problems(examine_distribution(misspelt)) == {'ros.rmw'}
    assert problems(examine_distribution(ros('foxy'))) == {'ros.distribution'}
    for domain, grave in (('300', 'error'), ('x', 'error'), ('150', 'warning')):
        found = by_key(examine_distribution(ros(ROS_DOMAIN_ID=domain)))['ros.domain']
        assert found.severity.value == grave
    local = by_key(examine_distribution(ros(ROS_LOCALHOST_ONLY='1')))['ros.domain']
    assert 'nodes of this machine alone' in local.seen


@pytest.mark.parametrize(
    ('distribution', 'variable', 'expected'),
    [
        ('jazzy', OLD, 'ok'),
        ('jazzy', NEW, 'dds.variable'),
        ('kilted', NEW, 'ok'),
        ('kilted', OLD, 'dds.variable'),
    ],
)
def test_the_variable_that_the_distribution_reads(distribution, variable, expected):
    found = by_key(examine_transport(ros(distribution, **{variable: '/p.xml'}), SOUND))
    if expected == 'ok':
        assert found['dds.profile'].severity is Severity.OK
    else:
        read = {OLD: NEW, NEW: OLD}[variable]
        assert found[expected].command == f'export {read}="${variable}"'


def test_no_profile_an_unreadable_one_and_one_that_is_ignored():
    assert problems(examine_transport(ros(), SOUND)) == {'dds.profile'}
    lost = transport(profile=None, profile_error='no such file')
    found = by_key(examine_transport(ros(**{OLD: '~/p.xml'}), lost))['dds.profile']
    assert found.severity is Severity.ERROR
    assert 'without ~' in found.remedy
    cyclone = ros(rmw='rmw_cyclonedds_cpp', **{OLD: '/p.xml'})
    assert problems(examine_transport(cyclone, SOUND)) == {'dds.profile_ignored'}
    assert (
        problems(examine_transport(ros(FASTDDS_BUILTIN_TRANSPORTS='LARGE_DATA'), SOUND)) == set()
    )
    udp = ros(FASTDDS_BUILTIN_TRANSPORTS='UDPv4', **{OLD: '/p.xml'})
    assert problems(examine_transport(udp, SOUND)) == {'dds.profile'}


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (('</dds>', ''), 'it is no XML'),
        (('is_default_profile="true"', ''), 'no profile of participants'),
        (('          <transport_id>shm_big</transport_id>\n', ''), 'has no shared memory'),
        (('33554432', '524288'), 'segments of shared memory are 512 KiB'),
        (('8388608', '99999999'), 'larger than segment_size'),
        (('<segment_size>33554432', '<segment_size>32MiB'), 'expected a number of bytes'),
        (('<dds ', '<!DOCTYPE dds [<!ENTITY a "b">]><dds '), 'declares a document type'),
    ],
)  # fmt: skip
def test_a_profile_that_does_not_do_what_it_should(change, said):
    text = OWN.replace(*change)
    assert text != OWN
    found = by_key(examine_transport(ros(**{OLD: '/p.xml'}), transport(profile=text)))
    assert found['dds.profile'].is_problem
    assert said in found['dds.profile'].seen


def test_what_a_profile_says():
    assert read_profile(OWN).network
    assert read_profile(OWN).max_message_size == 8388608
    assert not read_profile('<profiles/>').has_default
    large = (
        '<dds><profiles><participant is_default_profile="true"><rtps><builtinTransports>'
        'LARGE_DATA</builtinTransports></rtps></participant></profiles></dds>'
    )
    assert read_profile(large).shared_memory
    udp = large.replace('LARGE_DATA', 'UDPv4')
    assert not read_profile(udp).shared_memory
    with pytest.raises(InputError, match='root is <html>'):
        read_profile('<html/>')
    with pytest.raises(InputError, match='not defined'):
        read_profile(OWN.replace('<type>UDPv4</type>', '').replace('>udp<', '>tcp<', 1))


def test_shared_memory_and_buffers():
    facts = ros(**{OLD: '/p.xml'})
    docker = transport(shm_size=2**26, shm_free=2**26, container='docker')
    found = by_key(examine_transport(facts, docker))['dds.shm']
    assert '64 MiB' in found.seen
    assert '--ipc=host' in found.remedy
    assert problems(examine_transport(facts, transport(shm_size=None))) == {'dds.shm'}
    closed = by_key(examine_transport(facts, transport(shm_writable=False)))['dds.shm']
    assert closed.severity is Severity.ERROR
    dead = transport(dead_segments=3, dead_bytes=3 * 2**25)
    found = by_key(examine_transport(facts, dead))['dds.dead_segments']
    assert found.seen.startswith('3 segments')
    assert '96 MiB' in found.seen
    small = transport(receive_buffer=212992)
    assert problems(examine_transport(facts, small)) == {'dds.receive_buffer'}
