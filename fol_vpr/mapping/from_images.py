"""Builds a map from whatever images a program has: the function `fol_vpr.build_map`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sized
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from fol_vpr.config import SCALES, MappingConfig, NetworkConfig, scaled, with_values
from fol_vpr.datatypes import Frame, MapInfo
from fol_vpr.errors import InputError
from fol_vpr.mapping.build import OnBad, Progress
from fol_vpr.mapping.build import build_map as build_from_source
from fol_vpr.network import FeatureExtractor
from fol_vpr.sources import Capture, FrameSelector, FrameSource, ImageLike, frame_of, images_of

log = logging.getLogger(__name__)


def build_map(
    images: str | Path | FrameSource | Iterable[ImageLike],
    output: str | Path,
    *,
    weights: str | Path = NetworkConfig.weights,
    device: str = NetworkConfig.device,
    precision: str = NetworkConfig.precision,
    scale: str = '',
    settings: Mapping[str, Any] | None = None,
    name: str = '',
    session: str = '',
    overwrite: bool = False,
    progress: Progress | None = None,
    on_bad: OnBad | None = None,
) -> MapInfo:
    """Build a map, as `fol_vpr map build` does.

    Of a bag, keyframes are taken; of anything else, every image. The build of a bag or a folder
    that was interrupted is continued by the same call.

    Args:
        images: a folder of images, a bag, a source of `open_source` (with topics, positions and
            so on), or images one by one: frames with poses of one frame of reference, arrays
            [H, W, 3] uint8 in RGB, or paths.
        output: the map file to be made, .folmap.
        weights: file or name of the weights.
        device: that the network runs on: cpu, cuda, cuda:N or auto.
        precision: number format of the network, see `NetworkConfig`.
        scale: room, building or street, which the map records; empty where it is not known.
        settings: other settings by name, of the groups `network` and `mapping`, such as
            `{'mapping.codec': 'compact'}`.
        name: of the map; the file's stem where empty.
        session: the drive that images given one by one belong to; the stem where empty.
        overwrite: replace an existing map.
        progress: called with images done, images in all (0 where unknown), references in the map.
        on_bad: called with position and error of an image that cannot be used, which is left out;
            without it the error is raised.

    Returns:
        The header of the map.

    Raises:
        InputError: an image or a setting cannot be used, or there is no image.
        MapError: the map exists already, or an unfinished one of other content.
        WeightsError: the weights are missing or damaged.
        DeviceError: the device or precision is not available.
        StorageError: no space or no permission.
    """
    if scale and scale not in SCALES:
        raise InputError(f'the scale is {scale!r}, expected one of {", ".join(SCALES)}')
    network = NetworkConfig(weights=str(weights), device=device, precision=precision)
    groups = {'network': network, 'mapping': scaled(MappingConfig(), scale)}
    config = with_values(groups, settings or {})
    source = _source_of(images, session or Path(output).stem)
    with closing(FeatureExtractor(config['network'])) as extractor:
        return build_from_source(
            source,
            output,
            extractor,
            config['mapping'],
            name=name,
            scale=scale,
            overwrite=overwrite,
            resumable=not isinstance(source, GivenImages),
            progress=progress,
            on_bad=on_bad,
        )


def _source_of(
    images: str | Path | FrameSource | Iterable[ImageLike], session: str
) -> FrameSource:
    if isinstance(images, (str, Path)):
        from fol_vpr.sources import open_source

        return open_source(images)
    if hasattr(images, 'keyframes'):
        return cast(FrameSource, images)
    return GivenImages(images, session)


class GivenImages:
    """Images that a program gives one by one, as a source of frames.

    They are read once, and not kept; see `FrameSource` for the attributes.

    Args:
        images: frames, arrays or paths.
        session_id: the drive that they belong to.

    Raises:
        InputError: it is no series of images.
    """

    selects_keyframes = False
    own_origin = False
    fingerprint = ''
    frame_id = ''

    def __init__(self, images: Iterable[ImageLike], session_id: str) -> None:
        self._images = images_of(images)
        self._count = len(images) if isinstance(images, Sized) else 0
        self.session_id = session_id
        self.description = f'{self._count or "an unknown number of"} images'
        self.warnings: list[str] = []

    def __len__(self) -> int:
        return self._count

    def captures(self) -> Iterator[Capture]:
        """What is known of each item; reads the images up."""
        for _, frame in self.frames():
            yield Capture(frame.stamp_ns, frame.uri, frame.pose, frame.geo)

    def frames(
        self, start: int = 0, on_bad: OnBad | None = None, stop: int | None = None
    ) -> Iterator[tuple[int, Frame]]:
        """See `FrameSource.frames`."""
        for position, image in enumerate(self._images):
            if stop is not None and position >= stop:
                return
            if position < start:
                continue
            try:
                frame = frame_of(image, log.warning)
            except InputError as error:
                if on_bad is None:
                    raise InputError(f'image {position}: {error}') from error
                on_bad(position, error)
                continue
            yield position, frame

    def keyframes(
        self, _selector: FrameSelector, start: int = 0, on_bad: OnBad | None = None
    ) -> Iterator[tuple[int, Frame]]:
        """All frames: the program chose them."""
        return self.frames(start, on_bad)
