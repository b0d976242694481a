"""The real node is found, followed through its life, and read by the command line."""

from __future__ import annotations

import json
import re
import signal
import threading
from pathlib import Path

import pytest
from helpers import live, scenes
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String

from fol_vpr.cli.main import main
from fol_vpr.monitoring import Level, Presence
from fol_vpr.ros.bags.recorder import QUEUE_DEPTH
from fol_vpr.ros.kept_messages import KeptSubscription, Repeats
from fol_vpr.ros.watching.watcher import Watcher

NAME = '/robot1/localizer'


@pytest.fixture(scope='module')
def drive(tmp_path_factory) -> tuple[Path, Path]:
    """A folder of images, and a map of it."""
    folder = tmp_path_factory.mktemp('watch')
    images = scenes.write_folder(folder / 'images', 4)
    return images, live.small_map(images, folder / 'small.folmap')


def start(log: Path, parameters: dict | None = None, namespace: str = '/robot1') -> live.Localizer:
    return live.Localizer(log, parameters or {}, '-r', f'__ns:={namespace}')


def spin_until(watcher: Watcher, condition, patience: float = live.PATIENCE):
    for _ in range(round(patience / 0.2)):
        watcher.spin(0.2)
        if result := condition():
            return result
    raise AssertionError([report.as_json() for report in watcher.reports()])


def finish(process) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=2 * live.PATIENCE)
    return process.returncode, output, errors


def test_a_node_is_followed_from_unconfigured_through_its_answers_to_its_end(drive, tmp_path):
    images, path = drive
    node = start(tmp_path / 'log', {'map': path})
    try:
        with live.observer() as observer:
            watcher = Watcher(observer.node, observer.executor, ['robot1'])
            observer.name = NAME

            def report():
                return next(iter(watcher.reports()), None)

            spin_until(watcher, lambda: report() and report().lifecycle == 'unconfigured')
            assert report().name == NAME and report().answer is None
            assert observer.change('configure') and observer.change('activate')
            spin_until(watcher, lambda: report().loaded_map and report().lifecycle == 'active')
            assert report().loaded_map.places == 4
            camera = observer.publisher(CompressedImage, '/robot1/image/compressed')
            data = sorted(images.iterdir())[0].read_bytes()

            def answered():
                message = CompressedImage(format='jpeg', data=data)
                message.header.stamp = observer.node.get_clock().now().to_msg()
                camera.publish(message)
                counts = report().counts
                return report().answer and counts and counts.answered >= 2

            spin_until(watcher, answered)
            found = report()
            assert found.answer.place_id and found.answer.similarity == pytest.approx(1, abs=0.01)
            assert found.processing.median > 0 and found.level in (Level.OK, Level.WARN)
            assert {'node', 'images', 'map', 'recognition'} <= {s.part for s in found.statuses}

            command = live.fol_vpr('watch', '--once', '--json', '--duration', 2, NAME)
            spin_until(watcher, lambda: command.poll() is not None)
            status, output, errors = finish(command)
            (said,) = json.loads(output)['nodes']
            assert status == (1 if Level[said['level']] >= Level.ERROR else 0), errors
            assert said['node'] == NAME and said['lifecycle'] == 'active'
            assert said['map']['places'] == 4 and said['images']['received'] >= 2

            picture = tmp_path / 'view.svg'
            command = live.fol_vpr(
                'watch', '--duration', 1.5, '--interval', 0.5, '--picture', picture
            )
            spin_until(watcher, lambda: command.poll() is not None)
            _, output, errors = finish(command)
            assert f'{NAME} found' in output and 'no answer yet' in output, errors
            assert NAME.replace('/', '/') in picture.read_text()

            node.stop()
            spin_until(watcher, lambda: report().presence == Presence.GONE)
            node = start(tmp_path / 'log2')
            spin_until(watcher, lambda: report().presence == Presence.RUNNING)
            spin_until(watcher, lambda: report().lifecycle == 'unconfigured')
            texts = [each.text for each in watcher.happenings()]
            assert any('has stopped' in text for text in texts)
            assert report().restarts == 1 and report().answer is None
    finally:
        node.close()


def test_two_namespaces_and_a_killed_node(tmp_path):
    nodes = [start(tmp_path / name, {}, f'/{name}') for name in ('one', 'two')]
    try:
        with live.observer() as observer:
            watcher = Watcher(observer.node, observer.executor)
            spin_until(watcher, lambda: len(watcher.reports()) == 2)
            assert [r.name for r in watcher.reports()] == ['/one/localizer', '/two/localizer']
            only = Watcher(observer.node, observer.executor, ['/two'])
            spin_until(only, only.reports)
            assert [report.name for report in only.reports()] == ['/two/localizer']
            assert only.others == ['/one/localizer']
            spin_until(watcher, lambda: all(report.lifecycle for report in watcher.reports()))
            # A killed node stays in the graph for 20 s, and sends nothing.
            nodes[0].process.send_signal(signal.SIGKILL)
            spin_until(watcher, lambda: watcher.reports()[0].presence != Presence.RUNNING)
            assert watcher.reports()[1].presence == Presence.RUNNING
            command = live.fol_vpr('watch', 'one', '--once', '--duration', 8)
            spin_until(watcher, lambda: command.poll() is not None)
            status, output, _ = finish(command)
            # By then the graph may have forgotten it.
            assert (status, 'silent' in output) == (1, True) or status == 2
    finally:
        for node in nodes:
            node.close()


def test_nobody_is_there(capsys):
    assert main(['watch', '/nobody', '--once', '--wait-for', '0.5']) == 2
    said = capsys.readouterr().err
    assert 'no /nobody found yet' in said and 'ROS_DOMAIN_ID' in said
    # A node that a test before has killed can be seen for its lease of some seconds.
    assert re.search(r'; \d+ other nodes are visible', said)


def test_wrong_options_are_refused_before_anything_else(capsys, tmp_path):
    assert main(['watch', '--picture', 'view.png']) == 2
    assert 'ends in .svg' in capsys.readouterr().err
    assert main(['watch', '--picture', str(tmp_path / 'none' / 'view.svg')]) == 2
    assert main(['watch', '--interval', '0']) == 2
    assert main(['echo', '/x', '-n', '-1']) == 2


@pytest.mark.parametrize('lossy_first', [True, False])
def test_publishers_of_every_qos_are_heard_whoever_comes_first(lossy_first):
    with live.observer() as watch:
        node = watch.node
        lossy = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
        latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        order = [lossy, latched] if lossy_first else [latched, lossy]
        first = node.create_publisher(String, '/mixed', order[0])
        heard: list[str] = []
        repeats = Repeats(QUEUE_DEPTH)

        def on_message(data: bytes, info: dict) -> None:
            if not repeats.seen(int(info['source_timestamp']), data):
                heard.append(data[8:].rstrip(b'\0').decode())

        present = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_AVAILABLE)
        watch.until(lambda: node.get_publishers_info_by_topic('/mixed'))
        kept = KeptSubscription(
            node, String, '/mixed', on_message, depth=10, present=present, raw=True
        )
        watch.until(first.get_subscription_count)
        second = node.create_publisher(String, '/mixed', order[1])
        watch.until(second.get_subscription_count)

        def both() -> bool:
            first.publish(String(data='first'))
            second.publish(String(data='second'))
            watch.spin(0.2)
            return {'first', 'second'} <= set(heard)

        watch.until(both)
        heard.clear()
        watch.spin(0.5)
        heard.clear()
        first.publish(String(data='once'))
        second.publish(String(data='twice'))
        watch.until(lambda: len(heard) >= 2)
        watch.spin(0.3)
        assert sorted(heard) == ['once', 'twice']
        kept.destroy()


def test_echo_prints_what_was_kept_and_ends_after_the_count(tmp_path):
    with live.observer() as watch:
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        publisher = watch.node.create_publisher(String, '/kept', latched)
        publisher.publish(String(data='before'))
        command = live.fol_vpr('echo', 'kept', '-n', 1)
        silent = live.fol_vpr('echo', '/kept', '-n', 2, '--json', '--timeout', 2)
        unknown = live.fol_vpr('echo', '/kep', '--wait-for', 5)
        watch.until(lambda: all(p.poll() is not None for p in (command, silent, unknown)))
        assert finish(command)[:2] == (0, 'data: before\n---\n')
        status, output, errors = finish(silent)
        assert (status, output) == (2, '{"data": "before"}\n')
        assert 'no message on /kept for 2 s; published by /observer' in errors
        status, _, errors = finish(unknown)
        assert status == 2 and 'nobody published /kep within 5 s; there is /kept' in errors


@pytest.mark.parametrize('sent', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_the_ordinary_end_of_echo(sent):
    with live.observer() as watch:
        publisher = watch.node.create_publisher(String, '/spoken', 10)
        with live.fol_vpr('echo', '/spoken') as command:
            # What it has heard it prints: it has taken over the signals.
            reading = threading.Thread(target=command.stdout.readline)
            reading.start()
            for _ in range(round(live.PATIENCE / 0.2)):
                publisher.publish(String(data='again'))
                watch.spin(0.2)
                if not reading.is_alive():
                    break
            command.send_signal(sent)
            status, _, errors = finish(command)
    assert status == 0, errors
    assert 'Traceback' not in errors


@pytest.mark.parametrize('sent', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_the_ordinary_end_of_watch(sent, tmp_path):
    picture = tmp_path / 'view.svg'
    words = 'watch', '--json', '--interval', 0.2, '--picture', picture
    with live.fol_vpr(*words) as command:
        # What it has shown it goes on showing: it has taken over the signals.
        first = command.stdout.readline()
        command.send_signal(sent)
        status, output, errors = finish(command)
    assert status == 0, errors
    assert 'Traceback' not in errors
    assert all(json.loads(line)['nodes'] == [] for line in [first, *output.splitlines()])
    assert picture.read_text().startswith('<svg')
