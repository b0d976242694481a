"""Two nodes in two namespaces on one machine, with one map."""

from __future__ import annotations

from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from helpers import live, scenes
from helpers.messages import picture
from sensor_msgs.msg import Image

from fol_vpr.database import check_map
from fol_vpr_msgs.msg import PlaceHypothesisArray
from fol_vpr_msgs.srv import AddPlace, LoadMap, QueryPlace, SaveMap

SIDES = ('front', 'rear')


def named(side: str) -> tuple[str, ...]:
    return ('-r', f'__ns:=/{side}')


class Pair:
    """An observer of both nodes."""

    def __init__(self, watch: live.Observer) -> None:
        self.watch = watch
        self.answers: dict[str, list[PlaceHypothesisArray]] = {side: [] for side in SIDES}
        self.states: dict[str, str] = {}
        for side in SIDES:
            watch.node.create_subscription(
                PlaceHypothesisArray, f'/{side}/localizer/places', self.answers[side].append, 100
            )
        watch.node.create_subscription(DiagnosticArray, '/diagnostics', self.on_diagnostics, 10)

    def on_diagnostics(self, message: DiagnosticArray) -> None:
        self.states.update({status.name: status.message for status in message.status})

    def call(self, side: str, kind: type, name: str, request: object) -> object:
        self.watch.name = f'/{side}/localizer'
        return self.watch.call(kind, name, request)

    def first(self, side: str, place: int) -> str:
        request = QueryPlace.Request(image=picture(place, shift=3), max_hypotheses=1)
        return self.call(side, QueryPlace, 'query_place', request).places.hypotheses[0].place_id


@pytest.mark.timeout(300)
def test_both_answer_their_camera_and_one_changes_the_map(tmp_path):
    path = live.small_map(scenes.write_folder(tmp_path / 'images', 4), tmp_path / 'm.folmap')
    parameters = {'map': path, 'autostart': True}
    with (
        live.localizer(tmp_path / 'front.log', parameters, *named('front')),
        live.localizer(tmp_path / 'rear.log', parameters, *named('rear')),
        live.observer() as watch,
    ):
        both_work(Pair(watch), path)
    assert check_map(path) == []


def both_work(pair: Pair, path: Path) -> None:
    watch = pair.watch
    for side in SIDES:
        watch.until(lambda side=side: pair.states.get(f'{side}/localizer: node') == 'active')
    cameras = {side: watch.publisher(Image, f'/{side}/image') for side in SIDES}
    cameras['front'].publish(picture(1, 501))
    cameras['rear'].publish(picture(2, 502))
    watch.until(lambda: all(pair.answers.values()))
    stamps = {side: [a.header.stamp.sec for a in pair.answers[side]] for side in SIDES}
    assert stamps == {'front': [501], 'rear': [502]}

    request = AddPlace.Request(image=picture(8, shift=0), place_id='new')
    added = pair.call('front', AddPlace, 'add_place', request)
    assert added.result == AddPlace.Response.OK, added.message
    request = AddPlace.Request(image=picture(9, shift=0))
    refused = pair.call('rear', AddPlace, 'add_place', request)
    assert refused.result == AddPlace.Response.FAILED, refused.message
    assert str(path) in refused.message
    saved = pair.call('rear', SaveMap, 'save_map', SaveMap.Request())
    assert saved.result == SaveMap.Response.FAILED, saved.message
    saved = pair.call('front', SaveMap, 'save_map', SaveMap.Request())
    assert (saved.result, saved.info.places) == (SaveMap.Response.OK, 5), saved.message
    # The other one goes on with the map as it was, until it loads it again.
    assert pair.first('front', 8) == 'new'
    assert pair.first('rear', 8) != 'new'
    loaded = pair.call('rear', LoadMap, 'load_map', LoadMap.Request(path=str(path)))
    assert loaded.result == LoadMap.Response.OK, loaded.message
    assert pair.first('rear', 8) == 'new'
