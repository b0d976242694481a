"""`fol_vpr query`: finds where one image was taken in a map."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fol_vpr.cli.common.arguments import (
    add_network_of_map,
    add_scale,
    add_settings,
    network_of_map,
    recognizer_config,
    settings,
)
from fol_vpr.cli.common.console import working
from fol_vpr.cli.common.output import add_json, remark, show_results, warn
from fol_vpr.cli.common.pictures import check_picture
from fol_vpr.config import CameraConfig, RetrievalConfig, VerificationConfig
from fol_vpr.datatypes import (
    Frame,
    GeoPosition,
    LocalFeatures,
    Place,
    PlaceHypothesis,
    Prior,
    Recognition,
    Verification,
)
from fol_vpr.errors import InputError, escape_controls
from fol_vpr.evaluation.metrics import none_if_nan
from fol_vpr.evaluation.report import UNTRAINED, align_columns

if TYPE_CHECKING:
    import numpy as np

    from fol_vpr.recognizer import PlaceRecognizer

DECISION = (
    'verify', 'min_inliers', 'min_inlier_ratio', 'min_regions', 'inlier_threshold', 'probability',
    'consecutive', 'place_radius', 'place_index_gap',
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        'image', metavar='IMAGE', help='image file: JPEG, PNG or another format of OpenCV'
    )
    parser.add_argument('--map', metavar='M.folmap', required=True, help='the map')
    add_json(parser, 'the answer')
    parser.add_argument(
        '--picture',
        metavar='OUT.png',
        help='picture to draw of the answer: the query beside the best reference, their matches '
        'and the regions that are compared, state, reason and scores; .png, .jpg or .webp',
    )
    _add_prior(parser)
    camera = ('camera', 'camera_name', 'camera_mount', 'image_range')
    add_settings(parser, CameraConfig, only=camera)
    add_scale(parser)
    add_network_of_map(parser)
    add_settings(parser, RetrievalConfig, of_map=True)
    add_settings(parser, VerificationConfig, only=DECISION, of_map=True)


def _add_prior(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        'prior', 'What is known of the place before; without it, the whole map is searched.'
    )
    at = group.add_mutually_exclusive_group()
    at.add_argument(
        '--near',
        nargs=2,
        type=float,
        metavar=('X', 'Y'),
        help='position in the frame of the map, in metres',
    )
    at.add_argument(
        '--near-geo',
        nargs=2,
        type=float,
        metavar=('LAT', 'LON'),
        help='geodetic position in degrees (WGS 84)',
    )
    group.add_argument(
        '--radius', type=float, metavar='X', default=0.0,
        help='radius in metres around the position that is searched',
    )  # fmt: skip
    group.add_argument(
        '--stddev', type=float, metavar='X', default=0.0,
        help='standard deviation of the position in metres; three times this is added to --radius',
    )  # fmt: skip
    group.add_argument(
        '--session', action='append', metavar='ID', default=[],
        help='search only references of this session; may be repeated',
    )  # fmt: skip


def _prior(args: argparse.Namespace) -> Prior | None:
    if args.near is None and args.near_geo is None and (args.radius or args.stddev):
        raise InputError('--radius and --stddev need a position: --near X Y or --near-geo LAT LON')
    if args.near is None and args.near_geo is None and not args.session:
        return None
    return Prior(
        position=None if args.near is None else (args.near[0], args.near[1]),
        geo=None if args.near_geo is None else GeoPosition(*args.near_geo),
        radius=args.radius,
        stddev=args.stddev,
        sessions=frozenset(args.session),
    )


def _check_prior(prior: Prior, places: Sequence[Place]) -> None:
    """Raise InputError if a prior names sessions or positions that the map does not have."""
    prior.check_sessions(places)
    if prior.position is not None and not any(place.pose for place in places):
        raise InputError('--near cannot be used: no place of the map has a position in metres')
    if prior.geo is not None and not any(place.geo for place in places):
        raise InputError('--near-geo cannot be used: no place of the map has a geodetic position')


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code."""
    prior = _prior(args)
    if args.picture is not None:
        check_picture(args.picture)
    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.sources import read_photograph

    # Before torch and the weights are loaded, so that a wrong path is reported at once.
    camera = settings(args, CameraConfig())
    frame = read_photograph(args.image, camera, warn=warn, remark=remark)

    network = network_of_map(args, args.map)
    recognizer = PlaceRecognizer(recognizer_config(args, network))
    try:
        with working('query'):
            recognizer.load_map(args.map)
            if prior is not None:
                _check_prior(prior, recognizer.places)
            recognition = recognizer.recognize(frame, sequence=False, prior=prior)
        warnings = recognizer.map_status.remarks()
        trained = recognizer.extractor.trained
        weights = recognizer.extractor.weights_name
        show_results(
            args,
            lambda: {
                **_as_json(recognition, args, weights, trained),
                'warnings': warnings,
            },
            lambda: _as_table(recognition),
        )
        for each in warnings:
            warn(each)
        if not trained:
            warn(UNTRAINED)
        if args.picture is not None:
            _draw(args.picture, frame, recognition, recognizer)
            remark(f'picture: {args.picture}')
    finally:
        recognizer.close()
    return 0


def _draw(path: str, frame: Frame, recognition: Recognition, recognizer: PlaceRecognizer) -> None:
    from fol_vpr.pictures import answer_picture, write_picture

    def regions(image: np.ndarray) -> LocalFeatures:
        return recognizer.extract(Frame(image)).local

    picture = answer_picture(
        frame.image,
        Path(frame.uri).name,
        recognition,
        recognizer.reference_image,
        regions=regions,
    )
    write_picture(path, picture)


def _as_table(recognition: Recognition) -> str:
    header = [
        'rank', 'place', 'probability', 'similarity', 'matches', 'inliers', 'verified', 'image',
        'pose',
    ]  # fmt: skip
    rows = [header, *(_row(hypothesis) for hypothesis in recognition.hypotheses)]
    seconds = recognition.timings.get('total', math.nan)
    quality = recognition.quality_reason or 'good'
    head = f'{recognition.state.name}; image quality {recognition.image_quality:.2f} ({quality})'
    if not recognition.hypotheses:
        head += '; nothing was searched'
    elif math.isnan(recognition.p_not_in_map):
        head += '; the map is uncalibrated: decided by default scores'
    else:
        head += f'; not in the map {recognition.p_not_in_map:.3f}'
    lines = [f'{head}; {seconds * 1000:.0f} ms']
    explanation = recognition.explanation
    lines.append(f'why: {escape_controls(explanation.reason, keep="")}')
    if explanation.remedy:
        lines.append(f'what helps: {explanation.remedy}')
    return '\n'.join([*lines, '', *align_columns(rows, left=(1, 6, 7, 8))])


def _row(h: PlaceHypothesis) -> list[str]:
    return [
        str(h.rank),
        h.place.place_id,
        '' if math.isnan(h.probability) else f'{h.probability:.3f}',
        f'{h.similarity:.4f}',
        '' if math.isnan(h.match_score) else f'{h.match_score:.0f}',
        str(h.inliers) if h.verification is not Verification.NONE else '',
        h.verification.name.lower(),
        _image(h.place),
        _pose(h),
    ]


def _image(place: Place) -> str:
    """The image of a place: its file, or its time in a bag, whose images share one topic."""
    return f'{place.stamp_ns / 1e9:.3f} s' if ':' in place.image_uri else place.image_uri


def _pose(hypothesis: PlaceHypothesis) -> str:
    if hypothesis.pose is not None:
        return ', '.join(f'{v:.2f}' for v in hypothesis.pose.position) + ' m'
    geo = hypothesis.place.geo
    return '' if geo is None else f'{geo.latitude:.6f}, {geo.longitude:.6f}'


def _as_json(
    recognition: Recognition, args: argparse.Namespace, weights: str, trained: bool
) -> dict[str, Any]:
    return {
        'image': args.image,
        'map': args.map,
        'weights': weights,
        'trained': trained,
        'state': recognition.state.name,
        'cause': recognition.explanation.cause.name,
        'reason': recognition.explanation.reason,
        'remedy': recognition.explanation.remedy,
        'image_quality': recognition.image_quality,
        'quality_reason': recognition.quality_reason,
        'p_not_in_map': none_if_nan(recognition.p_not_in_map),
        'timings_ms': {k: round(v * 1000, 3) for k, v in recognition.timings.items()},
        'hypotheses': [_hypothesis(h) for h in recognition.hypotheses],
    }


def _hypothesis(h: PlaceHypothesis) -> dict[str, Any]:
    geo = h.place.geo
    return {
        'rank': h.rank,
        'ref_index': h.place.index,
        'place_id': h.place.place_id,
        'session_id': h.place.session_id,
        'image_uri': h.place.image_uri,
        'stamp_ns': h.place.stamp_ns,
        'similarity': h.similarity,
        'match_score': none_if_nan(h.match_score),
        'probability': none_if_nan(h.probability),
        'inliers': h.inliers,
        'verification': h.verification.name,
        'position': None if h.pose is None else h.pose.position.tolist(),
        'orientation': None if h.pose is None else h.pose.orientation.tolist(),
        'latitude': None if geo is None else geo.latitude,
        'longitude': None if geo is None else geo.longitude,
    }
