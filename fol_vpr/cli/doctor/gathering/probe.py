"""Loads runtime, weights and map, and answers images: what a node does when it is configured.

It runs in a process of its own (`recognition.py` starts it): a torch that was built for another
processor ends the process that imports it, and the kernel ends one that takes too much memory.
The request is a line of JSON on stdin, with an image as .npy behind it; the answer is a line of
JSON on stdout for each part.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fol_vpr.checks.recognition.facts import MapFacts, TrialFacts, WeightsFacts
from fol_vpr.config import LoopsConfig, NetworkConfig, RetrievalConfig
from fol_vpr.datatypes import Frame
from fol_vpr.errors import (
    FolVprError,
    MapError,
    MapMismatchError,
    WeightsError,
)

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.ros.node.parameters.settings import Settings

Emit = Callable[[str, dict[str, Any]], None]
"""Called with the name of a part and its facts."""
MOST_IMAGES = 20
LONGEST = 4.0
"""Seconds after which no further image is answered."""
OFTEN = 3
"""Images that are answered however long they take."""
# From this number of descriptors on, `auto` takes an index that it writes beside the map.
_LARGE = 5_000


def main() -> int:
    """Read a request from stdin, and write what is found to stdout."""
    _be_modest()
    out = os.fdopen(os.dup(sys.stdout.fileno()), 'w', encoding='utf-8')
    # Libraries that print must not end up between the lines of JSON.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    request = json.loads(sys.stdin.buffer.readline())
    image = np.load(io.BytesIO(sys.stdin.buffer.read())) if request['has_image'] else None

    def emit(part: str, facts: dict[str, Any]) -> None:
        out.write(json.dumps({'part': part, 'facts': facts}) + '\n')
        out.flush()

    probe(request, image, emit)
    return 0


def _be_modest() -> None:
    """Yield to the programs of the robot: in computing time, and where memory runs out."""
    with contextlib.suppress(OSError):
        os.nice(10)
    with contextlib.suppress(OSError):
        Path('/proc/self/oom_score_adj').write_text('1000')


def probe(request: dict[str, Any], image: np.ndarray | None, emit: Emit) -> None:
    """Find out what the recognition does here.

    Args:
        request: `values` (parameters of the node), `image` (path or empty) and `trial`.
        image: [H, W, 3] uint8 of the camera, or None.
        emit: called with the facts on `torch` or `runtime`, `weights`, `map` and `trial`.
    """
    runtime = str(request['values'].get('network.runtime', NetworkConfig.runtime))
    part, named = ('torch', {}) if runtime == 'torch' else ('runtime', {'name': runtime})
    try:
        found = _runtime_facts(runtime)
    except Exception as error:  # noqa: BLE001 a broken installation raises anything
        said = (str(error) or repr(error)).strip().split('\n', 1)[0]
        emit(part, {**named, 'error': said})
        return
    emit(part, found)
    from fol_vpr.ros.doctor.values import settings_of

    settings = settings_of(request['values'])
    of_map = _map_facts(settings.node.map) if settings.node.map else None
    if of_map is not None and of_map.error:
        emit('map', asdict(of_map))
        settings = settings.changed({'map': ''})
    _load(request, settings, None if of_map is None or of_map.error else of_map, image, emit)


def _runtime_facts(runtime: str) -> dict[str, Any]:
    """What the runtime is; torch is imported only where it is the one that is set."""
    if runtime == 'torch':
        from fol_vpr.network.runtime.torch_facts import torch_facts

        return torch_facts()
    from fol_vpr.network.exported.facts import runtime_facts

    return runtime_facts(runtime)


def _map_facts(path: str) -> MapFacts:
    from fol_vpr.recognizer import open_map

    where = Path(path).expanduser()
    try:
        with open_map(where) as reader:
            info = reader.info
    except FolVprError as error:
        return MapFacts(str(where), error=str(error))
    return MapFacts(
        str(where), name=info.name, weights_name=info.weights_name, model_id=info.model_id,
        places=info.places, sessions=info.sessions, bytes=info.bytes, poses=info.poses,
        geo_positions=info.geo_positions, cameras=info.cameras, mounts=info.mounts,
        added=info.added, removed=info.removed, frame_id=info.frame_id,
        calibrated=info.calibrated, scale=info.scale,
    )  # fmt: skip


def _load(
    request: dict[str, Any],
    settings: Settings,
    found: MapFacts | None,
    image: np.ndarray | None,
    emit: Emit,
) -> None:
    """Load the network and the map, and answer images."""
    started = time.perf_counter()
    wanted = settings.network.weights
    try:
        recognizer = _recognizer(settings, found)
    except WeightsError as error:
        emit('weights', asdict(WeightsFacts(wanted, str(error))))
        if found is not None:
            emit('map', asdict(found))
        emit('trial', asdict(TrialFacts(error='no weights')))
        return
    except FolVprError as error:
        if found is not None:
            emit('map', asdict(found))
        emit('trial', asdict(TrialFacts(error=str(error))))
        return
    try:
        emit('weights', asdict(_weights_facts(wanted, recognizer)))
        loaded = ''
        if found is not None:
            found, loaded = _with_map(recognizer, found)
            emit('map', asdict(found))
        if not request['trial']:
            return
        try:
            source = _images(request, image, recognizer)
            trial = _trial(recognizer, *source, started=started)
        except FolVprError as error:
            trial = TrialFacts(error=str(error))
        if loaded and not trial.error:
            trial = replace(trial, image=f'{trial.image}; {loaded}')
        emit('trial', asdict(trial))
    finally:
        recognizer.close()


def _recognizer(settings: Settings, found: MapFacts | None) -> PlaceRecognizer:
    """The recognizer that the node would have, without anything that writes to a disk.

    Raises:
        FolVprError: as of `PlaceRecognizer`.
    """
    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.ros.node.parameters.settings import with_network_of_map

    if found is not None:
        settings, _ = with_network_of_map(Path(found.path), settings, lambda _: None)
    retrieval = settings.retrieval
    if _would_write(retrieval, 0 if found is None else found.places):
        retrieval = replace(retrieval, index='bytes', index_uri='')
    return PlaceRecognizer(
        replace(
            settings.recognizer,
            retrieval=retrieval,
            storage=replace(settings.storage, record_hits=False),
            loops=LoopsConfig(),
        )
    )


def _would_write(retrieval: RetrievalConfig, places: int) -> bool:
    """Whether the search index would be written to the disk, or to a server."""
    if retrieval.index in ('large', 'milvus') or retrieval.index_uri:
        return True
    return retrieval.index == 'auto' and places > _LARGE


def _weights_facts(wanted: str, recognizer: PlaceRecognizer) -> WeightsFacts:
    weights = recognizer.extractor.weights
    path = '' if weights.path is None else str(weights.path)
    return WeightsFacts(
        wanted,
        name=weights.name,
        model_id=weights.model_id,
        trained=weights.trained,
        recorded=bool(path) and Path(f'{path}.sha256').is_file(),
        path=path,
    )


def _with_map(recognizer: PlaceRecognizer, found: MapFacts) -> tuple[MapFacts, str]:
    """The facts of a map with what its loading tells, and why it is not searched."""
    try:
        recognizer.load_map(found.path)
    except MapMismatchError as error:
        return replace(found, mismatch=str(error)), 'the map does not fit'
    except MapError as error:
        return replace(found, error=str(error)), 'the map cannot be loaded'
    except FolVprError as error:
        return found, f'the map is not searched: {error}'
    problem = recognizer.map_status.calibration_problem
    remarks = tuple(said for said in recognizer.map_status.remarks() if said != problem)
    return replace(
        found,
        decisions=recognizer.map_status.decisions,
        calibration_problem=problem,
        remarks=remarks,
    ), ''


def _images(
    request: dict[str, Any], image: np.ndarray | None, recognizer: PlaceRecognizer
) -> tuple[str, np.ndarray]:
    """The image to answer, and what it is in words.

    Raises:
        InputError: the file is no image.
    """
    if request['image']:
        from fol_vpr.sources import decode_bytes, read_image_file

        path = Path(request['image'])
        return f'the image {path}', decode_bytes(read_image_file(path), str(path))
    if image is not None:
        return 'the last image of the camera', image
    if recognizer.places:
        from fol_vpr.sources import decode_bytes

        stored = recognizer.reference_image(recognizer.places[0].index)
        if stored is not None:
            return 'the first image of the map', decode_bytes(stored, 'the map')
    return 'a drawn image', drawn_image()


def drawn_image(width: int = 1280, height: int = 720) -> np.ndarray:
    """An image [H, W, 3] uint8 with edges and corners everywhere, always the same one."""
    generator = np.random.default_rng(0)
    image = np.full((height, width, 3), 128, np.uint8)
    for _ in range(400):
        x, y = generator.integers(0, (width, height))
        across, down = generator.integers(10, 160, 2)
        image[y : y + down, x : x + across] = generator.integers(0, 256, 3)
    return image


def _trial(
    recognizer: PlaceRecognizer, said: str, image: np.ndarray, *, started: float
) -> TrialFacts:
    """Answer an image several times, as the node does.

    Raises:
        FolVprError: the device or the map fails.
    """
    frame = Frame(image, uri=said)
    recognizer.warm_up()
    with_map = recognizer.map_info is not None
    _answer(recognizer, frame, with_map)
    ready = time.perf_counter()
    runs = list(_runs(recognizer, frame, with_map))
    stages = dict.fromkeys(stage for run in runs for stage in run)
    return TrialFacts(
        image=said,
        size=(image.shape[1], image.shape[0]),
        device=recognizer.extractor.runs_on,
        precision=recognizer.extractor.precision,
        with_map=with_map,
        index=recognizer.map_status.index,
        seconds={s: statistics.median(run.get(s, 0.0) for run in runs) for s in stages},
        worst=max(run['total'] for run in runs),
        images=len(runs),
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        start=ready - started,
    )


def _runs(recognizer: PlaceRecognizer, frame: Frame, with_map: bool) -> Iterator[dict[str, float]]:
    begin = time.perf_counter()
    for number in range(MOST_IMAGES):
        yield _answer(recognizer, frame, with_map)
        if number + 1 >= OFTEN and time.perf_counter() - begin > LONGEST:
            return


def _answer(recognizer: PlaceRecognizer, frame: Frame, with_map: bool) -> dict[str, float]:
    """Seconds by stage for one image."""
    started = time.perf_counter()
    prepared = recognizer.prepare(frame)
    seconds = {'resize': time.perf_counter() - started}
    if with_map:
        answer = recognizer.recognize(frame, prepared=prepared, sequence=False)
        for stage, took in answer.timings.items():
            seconds[stage] = seconds.get(stage, 0.0) + took
    else:
        recognizer.extractor.extract([prepared], seconds)
    seconds['total'] = time.perf_counter() - started
    return seconds


if __name__ == '__main__':
    sys.exit(main())
