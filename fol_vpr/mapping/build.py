"""Builds a map file from a source of frames, and resumes an interrupted build."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np

from fol_vpr.config import MappingConfig
from fol_vpr.database import MapHeader, MapWriter
from fol_vpr.datatypes import Features, Frame, MapInfo
from fol_vpr.errors import FolVprError, InputError
from fol_vpr.mapping.keyframes import KeyframeSelector
from fol_vpr.network import FeatureExtractor, PreparedImage
from fol_vpr.sources import FrameSource

Progress = Callable[[int, int, int], None]
OnBad = Callable[[int, FolVprError], None]

Item = TypeVar('Item')

PREFETCH = 4
STORED_IMAGE_WIDTH = 640
STORED_IMAGE_QUALITY = 85


class _Reference(NamedTuple):
    """A frame to be stored, its position in the source, the network's input, and its JPEG."""

    position: int
    frame: Frame
    prepared: PreparedImage
    jpeg: bytes | None


def build_map(
    source: FrameSource,
    output: str | Path,
    extractor: FeatureExtractor,
    config: MappingConfig,
    *,
    name: str = '',
    scale: str = '',
    overwrite: bool = False,
    resumable: bool = True,
    progress: Progress | None = None,
    on_bad: OnBad | None = None,
) -> MapInfo:
    """Build a map from a source, or resume an interrupted build of the same.

    Until it is complete, the map is in `output` with `.partial` appended. Every reference in it is
    on the disk, and the same call resumes after the last one.

    Args:
        source: the drive.
        output: the map file to be made.
        extractor: the network that the map is for.
        config: keyframes, codec, images.
        name: of the map; the file's stem where empty.
        scale: of the surroundings, which the map records; empty where nobody named it.
        overwrite: replace an existing map, and an unfinished build of another one.
        resumable: False removes the unfinished map where the build fails.
        progress: called with items done, items in the source, references in the map.
        on_bad: called with position and error for items that cannot be used; without it the first
            one is raised.

    Raises:
        InputError: the source has no usable image.
        MapError: the map exists already, or an unfinished one of other content.
        StorageError: no space or no permission; the call can be resumed.
    """
    output = Path(output)
    header = map_header(
        extractor,
        name=name or output.stem,
        codec=config.codec,
        frame_id=config.frame_id or source.frame_id or 'map',
        origin=source.session_id if source.own_origin else '',
        scale=scale,
        sources=((source.session_id, source.description),),
    )
    source_id = f'{source.fingerprint} {extractor.precision} {config}'
    total = len(source)
    with MapWriter(
        output, header, source_id=source_id, overwrite=overwrite, resumable=resumable
    ) as writer:
        extractor.compile()
        places = writer.resumed
        frames = _remaining(source, writer, config, on_bad)
        size = config.batch or extractor.batch
        # Three threads: one reads and prepares, one runs the network, and this one writes.
        ready = _prefetch(_prepared(frames, extractor, config), max(PREFETCH, size))
        with closing(_prefetch(_described(ready, extractor, size), size)) as described:
            for reference, features in described:
                writer.add(
                    reference.frame,
                    features,
                    session_id=source.session_id,
                    source_position=reference.position,
                    image_jpeg=reference.jpeg,
                )
                places += 1
                if progress is not None:
                    progress(reference.position + 1, total, places)
        if not places:
            raise InputError(
                f'{source.description} gave no usable image, so there is nothing to map: '
                'see the warnings above for what was wrong with each'
            )
        return writer.finish()


def map_header(
    extractor: FeatureExtractor,
    *,
    name: str,
    codec: str,
    frame_id: str,
    origin: str = '',
    scale: str = '',
    sources: tuple[tuple[str, str], ...] = (),
) -> MapHeader:
    """Header of a new map that holds features of a network.

    Args:
        extractor: the network.
        name: of the map.
        codec: how local features are stored.
        frame_id: frame of the poses.
        origin: session whose start is the origin of the frame; empty for a fixed frame.
        scale: of the surroundings; empty where nobody named it.
        sources: of the sessions; see `MapHeader`.
    """
    return MapHeader(
        name=name,
        model_id=extractor.model_id,
        preprocessing_id=extractor.preprocessing_id,
        weights_name=extractor.weights_name,
        codec=codec,
        descriptor_dim=extractor.descriptor_dim,
        local_dim=extractor.local_dim,
        frame_id=frame_id,
        origin=origin,
        scale=scale,
        sources=sources,
    )


def _remaining(
    source: FrameSource, writer: MapWriter, config: MappingConfig, on_bad: OnBad | None
) -> Iterator[tuple[int, Frame]]:
    """Frames to be stored, after those that an interrupted build already has.

    A resumed build starts at its last reference, so that the next keyframe is measured from it,
    and leaves that one out.
    """
    resumed = writer.resumed > 0
    first = writer.source_position if resumed else 0
    frames = source.keyframes(KeyframeSelector(config), first, on_bad)
    if resumed:
        next(frames, None)
    return frames


def _prepared(
    frames: Iterator[tuple[int, Frame]], extractor: FeatureExtractor, config: MappingConfig
) -> Generator[_Reference, None, None]:
    for position, frame in frames:
        jpeg = thumbnail(frame.image) if config.store_images else None
        yield _Reference(position, frame, extractor.prepare(frame.image), jpeg)


def _described(
    references: Generator[_Reference, None, None], extractor: FeatureExtractor, size: int
) -> Generator[tuple[_Reference, Features], None, None]:
    """References with their features, extracted from `size` images at once."""
    with closing(references):
        for batch in _batches(references, size):
            described = extractor.extract([reference.prepared for reference in batch])
            yield from zip(batch, described, strict=True)


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items; the last one may be shorter.

    Where reading an item fails, the items before it are yielded first, so that they are stored.
    """
    batch: list[Item] = []
    try:
        for item in items:
            batch.append(item)
            if len(batch) == size:
                yield batch
                batch = []
    except FolVprError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _prefetch(items: Generator[Item, None, None], ahead_by: int) -> Generator[Item, None, None]:
    """Make up to `ahead_by` items ahead in a thread, while the caller works on earlier ones."""
    ahead: queue.Queue[Item | BaseException | None] = queue.Queue(ahead_by)
    stopped = threading.Event()

    def put(item: Item | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                ahead.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def read() -> None:
        try:
            with closing(items):
                for item in items:
                    if not put(item):
                        return
            put(None)
        except BaseException as error:  # noqa: BLE001 handed to the consumer, who raises it
            put(error)

    reader = threading.Thread(target=read, name='frames', daemon=True)
    reader.start()
    try:
        while (item := ahead.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        reader.join()


def thumbnail(image: np.ndarray) -> bytes | None:
    """JPEG of an RGB image [H, W, 3], reduced to at most 640 pixels of width.

    None for an image of more than 65,535 rows, which JPEG does not support.
    """
    height, width = image.shape[:2]
    if width > STORED_IMAGE_WIDTH:
        size = (STORED_IMAGE_WIDTH, max(1, round(height * STORED_IMAGE_WIDTH / width)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    encoded, jpeg = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, STORED_IMAGE_QUALITY])
    return jpeg.tobytes() if encoded else None
