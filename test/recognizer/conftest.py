"""A recognizer, and a map of eight places without poses."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.recognizer.eight_places import CONFIG, PLACES
from helpers.scenes import write_folder

from fol_vpr.config import MappingConfig
from fol_vpr.mapping import build_map
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.sources import open_source


@pytest.fixture(scope='module')
def recognizer() -> Iterator[PlaceRecognizer]:
    with_network = PlaceRecognizer(CONFIG)
    yield with_network
    with_network.close()


@pytest.fixture(scope='module')
def town(recognizer: PlaceRecognizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map of eight places, without poses."""
    folder = tmp_path_factory.mktemp('town')
    source = open_source(write_folder(folder / 'images', PLACES))
    build_map(source, folder / 'town.folmap', recognizer.extractor, MappingConfig())
    return folder / 'town.folmap'


@pytest.fixture
def loaded(recognizer: PlaceRecognizer, town: Path) -> PlaceRecognizer:
    recognizer.set_config(CONFIG)
    recognizer.load_map(town)
    return recognizer
