"""A fitted calibration as text for users."""

from __future__ import annotations

from collections.abc import Sequence

from fol_vpr.calibration.fit import FittedCalibration
from fol_vpr.evaluation.reliability import Bin, calibration_error
from fol_vpr.evaluation.report import align_columns

BAR_WIDTH = 40


def summary_lines(fitted: FittedCalibration) -> list[str]:
    """What was fitted, and how well it holds on parts of the drives that were left out."""
    calibration, provenance = fitted.calibration, fitted.calibration.provenance
    right, wrong = fitted.rows
    table = [['evidence', 'weight', 'exact', 'per', 'mean', 'meaning']]
    for each in fitted.evidence():
        weights = f'{each.weight:+.2f}', f'{each.exact_weight:+.2f}'
        numbers = (*weights, f'{each.scale:.2f}', f'{each.mean:.2f}')
        table.append([each.name, *numbers, each.words])
    return [
        str(fitted.quality),
        f'{provenance["images"]} images of {len(provenance["drives"])} drive(s), '
        f'{provenance["images_in_map"]} of them in the map; {right} right and {wrong} wrong '
        'places',
        '',
        *align_columns(table, left=(0, 5)),
        '',
        f'offset {calibration.offset:+.2f}; the right place is not found in '
        f'{calibration.miss_rate:.1%} of the images; a wrong place is repeated in '
        f'{calibration.repeat_rate:.1%}',
        _exactness(fitted),
        '',
        *_diagram('probability of the leading place', fitted.place),
        '',
        *_diagram('probability that the map has no such place', fitted.outside),
    ]


def _exactness(fitted: FittedCalibration) -> str:
    """From what `exact` was learned, and how much of it a probability contains."""
    if not fitted.calibration.exact_weights.any():
        return f'exact: not learned, from {fitted.beside} places beside a right one'
    slope = fitted.calibration.place_scaling.exactness_slope
    return (
        f'exact: learned from {fitted.beside} places beside a right one; {slope:.2f} of its log '
        'odds are added to those of the probability'
    )


def _diagram(title: str, bins: Sequence[Bin]) -> list[str]:
    """A reliability diagram as text: the frequency of right statements for each probability."""
    lines = [
        f'{title}, on held-out parts: expected calibration error {calibration_error(bins):.3f}'
    ]
    for each in bins:
        bar = ['.'] * BAR_WIDTH
        bar[: round(each.right * BAR_WIDTH)] = ['#'] * round(each.right * BAR_WIDTH)
        bar[min(BAR_WIDTH - 1, int(each.said * BAR_WIDTH))] = '|'
        lines.append(
            f'  predicted {each.said:4.2f}  right {each.right:4.2f}  {"".join(bar)}  {each.count}'
        )
    return lines
