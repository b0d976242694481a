"""The service ~/relocalize of a running node: it waits while images are answered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from builtin_interfaces.msg import Duration
from helpers import live, scenes
from helpers.messages import covered_picture, picture
from nav_msgs.msg import Odometry
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool

from fol_vpr_msgs.msg import PlaceHypothesisArray
from fol_vpr_msgs.srv import Relocalize

PLACES = 6
# A single verified image is enough to be LOCALIZED; the decision itself is tested elsewhere.
EASY = {
    'verification.consecutive': 1,
    'verification.probability': 0.5,
    'verification.place_index_gap': 0,
    'verification.min_inliers': 8,
    'verification.min_regions': 4,
    'verification.min_inlier_ratio': 0.1,
}
Response = Relocalize.Response


@pytest.fixture(scope='module')
def node(tmp_path_factory) -> Iterator[live.Localizer]:
    folder = tmp_path_factory.mktemp('relocalize')
    path = live.small_map(scenes.write_folder(folder / 'images', PLACES), folder / 'm.folmap')
    parameters = {'map': path, 'autostart': True, **EASY}
    with live.localizer(folder / 'node.log', parameters) as process:
        yield process


@pytest.fixture
def watch(node) -> Iterator[live.Observer]:
    with live.observer() as watcher:
        if watcher.state() == 'inactive':
            assert watcher.change('activate')
        watcher.until(lambda: watcher.status('node')[1] == 'active')
        yield watcher


def ask(watch: live.Observer, seconds: float) -> object:
    """The call, which is answered later."""
    client = watch.client(Relocalize, 'relocalize')
    timeout = Duration(sec=int(seconds), nanosec=int(seconds % 1 * 1e9))
    return client.call_async(Relocalize.Request(timeout=timeout))


def answered(watch: live.Observer, future) -> Response:
    watch.until(future.done)
    return future.result()


def test_it_answers_once_the_robot_is_localized(watch):
    publisher = watch.publisher(Image, '/image')
    publisher.publish(picture(2, stamp=10))
    watch.until(lambda: watch.answers)
    future = ask(watch, 60)
    watch.spin(1.0)
    assert not future.done()
    # Nothing to be seen: answered all the same, while the call waits.
    publisher.publish(covered_picture(stamp=11))
    watch.until(lambda: watch.answers[-1].header.stamp.sec == 11)
    assert not future.done()
    publisher.publish(picture(3, stamp=12))
    response = answered(watch, future)
    assert response.result == Response.OK, response.message
    assert response.places.state == PlaceHypothesisArray.LOCALIZED
    assert response.places.header.stamp.sec == 12
    assert response.places.hypotheses[0].place_id.endswith('000003')


def test_without_a_timeout_it_only_forgets(watch):
    response = answered(watch, ask(watch, 0))
    assert response.result == Response.OK and 'forgotten' in response.message


def test_an_unknown_place_gives_the_last_answer(watch):
    publisher = watch.publisher(Image, '/image')
    future = ask(watch, 3)
    watch.spin(0.5)
    publisher.publish(covered_picture(stamp=21))
    response = answered(watch, future)
    assert response.result == Response.NOT_LOCALIZED, response.message
    assert response.places.header.stamp.sec == 21


def test_without_images_it_names_who_publishes_where(watch):
    response = answered(watch, ask(watch, 1))
    assert response.result == Response.NO_IMAGES
    assert '/image' in response.message


def test_wrong_requests_and_states_are_refused(watch):
    request = Relocalize.Request(timeout=Duration(sec=-1))
    assert watch.call(Relocalize, 'relocalize', request).result == Response.BAD_REQUEST
    assert watch.change('deactivate')
    assert answered(watch, ask(watch, 1)).result == Response.NOT_READY
    assert watch.change('activate')


def test_deactivation_ends_the_waiting(watch):
    future = ask(watch, 60)
    watch.spin(1.0)
    assert watch.change('deactivate')
    response = answered(watch, future)
    assert response.result == Response.NOT_READY and 'deactivated' in response.message
    assert watch.change('activate')


def test_odometry_is_listened_to_while_active(watch):
    assert watch.node.count_subscribers('/odom') == 1
    watch.publisher(Odometry, '/odom', reliable=False).publish(Odometry())
    assert watch.call(SetBool, 'enable', SetBool.Request(data=False)).success
    watch.until(lambda: watch.node.count_subscribers('/odom') == 0)
    assert watch.call(SetBool, 'enable', SetBool.Request(data=True)).success
