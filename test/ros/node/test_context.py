"""What the helpers of the node share."""

from __future__ import annotations

from types import SimpleNamespace

from helpers.bench import Bench, bench

from fol_vpr.config import RecognizerConfig, settings_in_use

RECOGNIZER = SimpleNamespace(
    map_info='the map',
    config=settings_in_use(RecognizerConfig(), {'verification.place_radius': 0.4}),
    map_status=SimpleNamespace(settings='scale room', remarks=lambda: ['the calibration is poor']),
)


def configured(made: Bench) -> Bench:
    made.activate(RECOGNIZER)
    return made


def test_it_has_a_recognizer_while_configured():
    with bench() as made:
        assert made.context.recognizer is None
        configured(made)
        assert made.context.recognizer is RECOGNIZER
        assert made.context.state == 'active'
        made.state = 'inactive'
        assert made.context.state == 'inactive'


def test_a_loaded_map_is_published_and_becomes_the_parameter():
    with bench() as made:
        context = configured(made).context
        context.on_map_refused('damaged')
        assert context.map_failure == 'damaged'
        context.on_map_loaded('/maps/campus.folmap')
        assert made.publishers.maps == ['the map']
        assert context.map_failure == ''
        assert context.settings.node.map == '/maps/campus.folmap'
        # What the map brings is seen in the parameters, too.
        assert context.settings.verification.place_radius == 0.4


def test_a_map_that_is_loaded_after_a_cleanup_is_not_published():
    with bench() as made:
        made.context.on_map_changed()
        made.context.on_map_loaded('m.folmap')
        assert made.publishers.maps == []
        assert made.context.settings.node.map == 'm.folmap'


def test_odometry_uses_the_fixed_transforms_of_the_camera():
    with bench() as made:
        context = made.context
        assert context.odometry.track._fixed_transform == context.camera.fixed_transform
