"""What the log of a run of VPR-methods-evaluation says of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from fol_vpr.errors import InputError
from fol_vpr.evaluation.predictions.files import folder_of_predictions
from fol_vpr.files import printable, read_text

LOG = 'info.log'
LIMIT = 16 * 2**20
"""Most bytes of a log."""
MAX_TEXT = 200
UNKNOWN_METHOD = 'another method'


@dataclass(frozen=True)
class Run:
    """A run, as far as its log tells; without a log only its folder is known.

    Attributes:
        folder: of the run.
        method: such as salad, with backbone and number of dimensions.
        command: its command line.
        device: such as cuda.
        image_size: what the images were resized to; empty for their own size.
        queries, references: how many images it read; None where that is not known.
        radius: metres within which it counted a reference as right; None where it did not.
        recalls: in percent of all queries, those without a positive included, by K.
    """

    folder: Path
    method: str = UNKNOWN_METHOD
    command: str = ''
    device: str = ''
    image_size: str = ''
    queries: int | None = None
    references: int | None = None
    radius: float | None = None
    recalls: dict[int, float] = field(default_factory=dict)


def read_run(path: str | Path) -> Run:
    """Read the log of a run, where there is one.

    Args:
        path: the folder of the run, or `preds` in it.

    Raises:
        InputError: there is no such folder, or the log cannot be read.
    """
    preds = folder_of_predictions(path)
    folder = preds if (preds / LOG).exists() else preds.parent
    if not (folder / LOG).exists():
        return Run(Path(path))
    lines = read_text(folder / LOG, 'the log of a run', LIMIT).splitlines()
    # The log of a run that was started twice within one second holds both; the last one counts.
    text = '\n'.join(line.partition(' ')[2].partition(' ')[2] for line in lines)
    of = _last(r'^Testing with (\S+) with a (\S+) backbone and descriptors dimension (\d+)', text)
    sizes = _last(r'^Testing on < #queries: (\d{1,9}); #database: (\d{1,9}) >', text)
    labels = _last(r'\bno_labels=(True|False)\b', text)
    radius = _last(r'\bpositive_dist_threshold=(\d{1,9})\b', text)
    recalls = _last(r'^(R@\d.*)', text)
    image_size = _last(r'\bimage_size=\[([\d, ]+)\]', text)
    command = _last(r'^(\S*main\.py .*)', text)
    device = _last(r"\bdevice='(\w+)'", text)
    return Run(
        folder=folder,
        method=printable(f'{of[0]} ({of[1]}, {of[2]})', MAX_TEXT) if of else UNKNOWN_METHOD,
        command=printable(command[0], 10 * MAX_TEXT) if command else '',
        device=device[0] if device else '',
        image_size=image_size[0].replace(', ', 'x') if image_size else '',
        queries=int(sizes[0]) if sizes else None,
        references=int(sizes[1]) if sizes else None,
        radius=float(radius[0]) if radius and labels == ('False',) else None,
        recalls=_recalls(recalls[0]) if recalls else {},
    )


def _last(pattern: str, text: str) -> tuple[str, ...] | None:
    found = list(re.finditer(pattern, text, re.MULTILINE | re.ASCII))
    return found[-1].groups() if found else None


def _recalls(text: str) -> dict[int, float]:
    found = re.findall(r'R@(\d{1,9}): (\d{1,3}\.\d+)', text, re.ASCII)
    return {int(k): float(value) for k, value in found}


def check_database(run: Run, references: int, map_path: str) -> None:
    """Check that a run searched among as many references as a map has.

    Raises:
        InputError: it searched among fewer or more, so that its recall cannot be compared.
    """
    if run.references is not None and run.references != references:
        raise InputError(
            f'{printable(str(run.folder))} searched among {run.references} references, and '
            f'{map_path} has {references}, so that their recalls cannot be compared; build the '
            'map of all images of that --database_folder'
        )
