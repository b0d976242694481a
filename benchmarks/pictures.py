"""Pictures of the documentation that no verb of `fol_vpr` draws by itself.

    python -m benchmarks.pictures frame BAG NUMBER OUT.png
    python -m benchmarks.pictures pair MAP BAG NUMBER FOLDER
    python -m benchmarks.pictures scale IN.png OUT.jpg [--width 1280]

`frame` takes the image of a number, from 0, out of a bag. `pair` asks a map for it and writes
masks.jpg, the masks of the query and of the best reference at 322 pixels, and matches.jpg, their
local matches. `scale` makes a picture narrower. `benchmarks/figures.sh` calls all of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from fol_vpr.config import NetworkConfig
from fol_vpr.database import MapReader
from fol_vpr.datatypes import Frame
from fol_vpr.network import FeatureExtractor
from fol_vpr.pictures import decoded, fitted, mask_panel, pair_with_legend, write_picture
from fol_vpr.pictures.images import below, beside, with_margin
from fol_vpr.pictures.text import Text, text_block
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.sources import decode_bytes, open_source

SIDE, GAP = 290, 12
# With as many patches as the authors' networks have, not all of them are chosen.
INPUT = 322
WIDTH = 1280


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw what the command line names."""
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.pictures',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest='verb', required=True)
    frame = verbs.add_parser('frame')
    frame.add_argument('bag', type=Path)
    frame.add_argument('number', type=int)
    frame.add_argument('output', type=Path)
    pair = verbs.add_parser('pair')
    pair.add_argument('map', type=Path)
    pair.add_argument('bag', type=Path)
    pair.add_argument('number', type=int)
    pair.add_argument('output', type=Path)
    scale = verbs.add_parser('scale')
    scale.add_argument('picture', type=Path)
    scale.add_argument('output', type=Path)
    scale.add_argument('--width', type=int, default=WIDTH)
    options = parser.parse_args(arguments)
    if options.verb == 'frame':
        write_picture(options.output, frame_of(options.bag, options.number).image)
    elif options.verb == 'pair':
        draw_pair(options.map, frame_of(options.bag, options.number), options.output)
    else:
        picture = decode_bytes(options.picture.read_bytes(), str(options.picture))
        write_picture(options.output, narrower(picture, options.width))
    return 0


def frame_of(bag: Path, number: int) -> Frame:
    """The image of a number in a bag, counted from 0.

    Raises:
        InputError: the bag cannot be read.
        IndexError: it has fewer images.
    """
    for position, frame in open_source(bag).frames():
        if position == number:
            return frame
    raise IndexError(f'{bag} has no image {number}')


def narrower(picture: np.ndarray, width: int) -> np.ndarray:
    """A picture [H, W, 3] at most `width` pixels wide."""
    if picture.shape[1] <= width:
        return picture
    size = (width, round(len(picture) * width / picture.shape[1]))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def draw_pair(path: Path, query: Frame, folder: Path) -> None:
    """Write masks.jpg and matches.jpg of a query and its best reference in a map."""
    with PlaceRecognizer.for_map(path) as recognizer:
        weights = recognizer.extractor.weights_name
        # Without a camera, as `fol_vpr query` has a photograph.
        recognition = recognizer.query(replace(query, camera=None))
    index = recognition.hypotheses[0].place.index
    with MapReader(path) as reader:
        jpeg = reader.image(index)
    stored = decoded(jpeg)
    if stored is None:
        raise ValueError(f'{path} stores no images')
    extractor = FeatureExtractor(NetworkConfig(weights, input_size=INPUT))
    head = [
        text_block(SIDE, [Text(title, 20, bold=True)])
        for title in ('Image', 'Extraction mask', 'Aggregation mask', 'Chosen regions')
    ]
    rows = [beside(head, GAP)]
    for image, words in ((query.image, 'query'), (stored, 'reference')):
        rows.append(beside(_panels(extractor, image, words), GAP))
    extractor.close()
    write_picture(folder / 'masks.jpg', with_margin(below(rows, GAP), GAP))
    pair, legend = pair_with_legend(query.image, recognition, lambda _: jpeg, width=1000)
    write_picture(folder / 'matches.jpg', pair)
    print(f'{recognition.hypotheses[0].place.place_id}: {legend}')


def _panels(extractor: FeatureExtractor, image: np.ndarray, words: str) -> list[np.ndarray]:
    masks = extractor.masks(image)
    small = fitted(image, SIDE, SIDE)
    chosen = cv2.resize(
        masks.chosen.astype(np.uint8), small.shape[1::-1], interpolation=cv2.INTER_NEAREST
    )
    kept = np.where(chosen[..., None] > 0, small, small // 4)
    return [
        below([small, text_block(SIDE, [Text(words, 18)])], 6),
        mask_panel(small, masks.attention, 'attention', SIDE),
        mask_panel(small, masks.kept, 'share kept', SIDE),
        kept,
    ]


if __name__ == '__main__':
    raise SystemExit(main())
