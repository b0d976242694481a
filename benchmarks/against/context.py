"""What the row groups of a comparison share: builds, drives, maps, and what to measure."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.against import inputs
from benchmarks.against.builds import Build, BuildError, Worker
from benchmarks.against.turns import Pair
from fol_vpr.config import EvaluationConfig

# As `make demo` gives them.
CRITERIA = EvaluationConfig(positive_radius=5, positive_angle=40)
SCALE = 'street'


@dataclass
class Context:
    """What the row groups share.

    Attributes:
        builds: the one that is compared with, and the working tree.
        town: folder of the drives of `make demo`.
        folder: a temporary one for what is made.
        maps: folder where maps are kept from one call to the next.
        map: calibrated map of the drive by day that both builds read; None lets each make its own.
        threads: of each build; 0 leaves that to torch.
        images: of the drive that are answered; 0 takes all.
        turn: images that are answered in a row.
        rounds: turns of everything but answers.
        weights: networks of the rows `forward`.
        sizes: places of the rows `search`.
        real: .npy where descriptors of real images are kept for those; None keeps none.
    """

    builds: tuple[Build, Build]
    town: Path
    folder: Path
    maps: Path
    map: Path | None
    threads: int
    images: int
    turn: int
    rounds: int
    weights: Sequence[str]
    sizes: Sequence[int]
    real: Path | None
    waiting_s: float = 0.0
    _made: dict[str, Path] = field(default_factory=dict)

    @contextlib.contextmanager
    def workers(self) -> Iterator[Pair]:
        """A process for each build."""
        with contextlib.ExitStack() as stack:
            each = [
                stack.enter_context(
                    Worker(build, self.threads, self.folder / f'worker-{number}.log')
                )
                for number, build in enumerate(self.builds)
            ]
            pair = Pair(each[0], each[1])
            yield pair
            self.waiting_s += pair.waiting_s

    def map_of(self, build: Build) -> Path:
        """The map of the drive by day, built and calibrated by a build as `make demo` does.

        Raises:
            BuildError: a drive is missing, or the build failed.
        """
        if self.map is not None:
            if not self.map.is_file():
                raise BuildError(f'there is no map at {self.map}')
            return self.map
        if build.name in self._made:
            return self._made[build.name]
        # A commit with changes says too little about the code that made a map.
        folder = self.folder if build.commit.endswith('+') else self.maps
        path = folder / f'{build.commit}.folmap'
        if not path.exists():
            day, overcast = self.drive('day'), self.drive('overcast')
            say(f'{build.name}: building and calibrating its map of the drive')
            made = self.folder / f'map-{build.file_name}.folmap'
            scale = ('--scale', SCALE) if build.takes('--scale', 'map', 'build') else ()
            build.run(
                '-m', 'fol_vpr.cli.main', 'map', 'build', '--bag', day,
                '--pose-topic', inputs.POSES, *scale, '--output', made, threads=self.threads,
            )  # fmt: skip
            build.run(
                '-m', 'fol_vpr.cli.main', 'calibrate', '--map', made, '--bag', overcast,
                '--pose-topic', inputs.POSES, '--odom-topic', inputs.ODOMETRY,
                '--positive-radius', CRITERIA.positive_radius,
                '--positive-angle', CRITERIA.positive_angle, threads=self.threads,
            )  # fmt: skip
            # Only a map that is calibrated is kept.
            shutil.move(made, path)
        self._made[build.name] = path
        return path

    def drive(self, name: str) -> Path:
        """A drive of the town.

        Raises:
            BuildError: it was not drawn.
        """
        path = self.town / name
        if not path.is_dir():
            raise BuildError(f'{path} is not there: `make demo` draws the drives')
        return path


def say(message: str) -> None:
    """Tell on standard error what is going on."""
    print(message, file=sys.stderr, flush=True)
