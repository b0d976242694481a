"""The parameters of a running node."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from helpers.bench import bench

from fol_vpr.errors import InputError


class Recognizer(SimpleNamespace):
    """Keeps the configurations that it is given."""

    def __init__(self) -> None:
        super().__init__(configs=[])

    def set_config(self, config) -> None:
        self.configs.append(config)


def test_a_change_reaches_the_recognizer_once():
    with bench() as made:
        settings, recognizer = made.context.live_settings, Recognizer()
        assert settings.apply(recognizer) == settings.current and recognizer.configs == []
        assert made.set('retrieval.hypotheses', 3) == ''
        assert settings.apply(recognizer).retrieval.hypotheses == 3
        settings.apply(recognizer)
        assert [config.retrieval.hypotheses for config in recognizer.configs] == [3]


def test_a_change_of_the_node_alone_does_not_reach_the_recognizer():
    with bench() as made:
        recognizer = Recognizer()
        assert made.set('map_frame', 'site') == ''
        assert made.context.live_settings.apply(recognizer).node.map_frame == 'site'
        assert recognizer.configs == []


def test_with_map_folder_files_and_servers_are_those_of_the_start(tmp_path):
    start = {'network.weights': 'fol_tiny', 'map_folder': str(tmp_path)}
    with bench(**start) as made:
        for name in ('network.weights', 'loops.session_file', 'retrieval.index_uri'):
            assert 'cannot change while map_folder is set' in made.set(name, '/etc/x.folmap')
        assert made.set('network.weights', 'fol_tiny') == ''
        assert 'leads out of' in made.set('map', '/etc/x.folmap')
        assert 'leads out of' in made.set('map', '../x.folmap')
        assert made.set('map', 'x.folmap') == made.set('map', '') == ''
        assert 'read-only' in made.set('map_folder', '/')


def test_what_the_loaded_network_and_map_are_made_of_is_fixed_while_configured():
    with bench() as made:
        assert made.set('network.input_size', 140) == made.set('map', 'a.folmap') == ''
        made.activate(Recognizer())
        assert 'clean up first' in made.set('network.input_size', 126)
        assert '~/load_map' in made.set('map', 'b.folmap')
        made.context.live_settings.set_map('c.folmap')
        assert made.context.settings.node.map == 'c.folmap'
        assert '~/load_map' in made.set('map', 'd.folmap')


def test_values_out_of_range_are_refused_and_change_nothing():
    with bench() as made:
        assert 'verification.probability' in made.set('verification.probability', 1.5)
        assert made.context.settings.verification.probability < 1


def test_what_a_map_replaces_lasts_until_the_next_configure():
    with bench() as made:
        settings = made.context.live_settings
        settings.begin(settings.read().changed({'network.input_size': 224}))
        assert settings.current.network.input_size == 224
        assert settings.read().network.input_size == 126


def test_a_wrong_value_at_the_start_is_an_error():
    with pytest.raises(InputError, match=r'write 2\.0'), bench(position_stddev=2):
        pass
