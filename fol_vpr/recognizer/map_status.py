"""What there is to say about the map in use, in words for people."""

from __future__ import annotations

from dataclasses import dataclass

from fol_vpr.config import RecognizerConfig
from fol_vpr.decision import Calibration
from fol_vpr.mapping import LiveMap
from fol_vpr.recognizer.calibration_fit import (
    calibration_in_words,
    calibration_problem,
    calibration_remarks,
    settings_of_map_in_words,
)
from fol_vpr.recognizer.map_scale import scale_hint


@dataclass(frozen=True)
class MapStatus:
    """The map of a recognizer at one moment; every text is empty where no map is loaded.

    Attributes:
        live: the map; None where none is loaded.
        calibration: of the map; None where it has none.
        config: the settings in use.
        precision: that the network computes in.
    """

    live: LiveMap | None
    calibration: Calibration | None
    config: RecognizerConfig
    precision: str

    @property
    def index(self) -> str:
        """The search index."""
        return '' if self.live is None else self.live.index_description

    @property
    def index_problem(self) -> str:
        """What keeps the index from working as it should; empty where nothing does."""
        return '' if self.live is None else self.live.index_problem

    @property
    def hits_problem(self) -> str:
        """Why hits could not be counted last time; empty where they could."""
        return '' if self.live is None else self.live.hit_problem

    @property
    def decisions(self) -> str:
        """The calibration that decisions are made by."""
        return '' if self.live is None else calibration_in_words(self.calibration, self.config)

    @property
    def calibration_problem(self) -> str:
        """Why the probabilities do not hold with the settings in use, with the remedy.

        Empty where nothing speaks against them, or there are none.
        """
        info = None if self.live is None else self.live.info
        return calibration_problem(info, self.calibration, self.config, self.precision)

    @property
    def settings(self) -> str:
        """Which settings the map brings."""
        if self.live is None:
            return ''
        return settings_of_map_in_words(self.live.info, self.calibration, self.config)

    def remarks(self) -> list[str]:
        """What users should be told when the map comes into use."""
        if self.live is None:
            return []
        remarks = [problem] if (problem := self.calibration_problem) else []
        if self.calibration is not None:
            remarks += calibration_remarks(self.live.info, self.calibration)
        if hint := scale_hint(self.live.places, self.live.info, self.config):
            remarks.append(hint)
        return remarks
