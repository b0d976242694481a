"""Whether a calibration fits the settings, the map and the device in use, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fol_vpr.config import (
    CALIBRATED,
    DEFAULT_SCALE,
    SCALES,
    RecognizerConfig,
    given_settings,
    setting_of,
    settings_in_use,
)
from fol_vpr.datatypes import MapInfo
from fol_vpr.decision import Calibration, CalibrationQuality

RADIUS = 'verification.place_radius'


@dataclass(frozen=True)
class Difference:
    """A setting that is not the one of the calibration.

    Attributes:
        name: of the setting, such as `verification.place_radius`.
        used: its value now.
        calibrated: its value when the calibration was made.
    """

    name: str
    used: Any
    calibrated: Any

    def __str__(self) -> str:
        return f'{self.name} {_shown(self.used)} instead of {_shown(self.calibrated)}'


def differences(calibration: Calibration | None, config: RecognizerConfig) -> list[Difference]:
    """The settings in use that are not those that the calibration was made with."""
    if calibration is None:
        return []
    return [
        Difference(name, used, then)
        for name, then in calibration.settings.items()
        if (used := setting_of(config, name)) != then
    ]


def unrecorded(calibration: Calibration) -> list[str]:
    """Settings that a calibration depends on and has not recorded."""
    return [name for name in CALIBRATED if name not in calibration.settings]


def calibration_in_words(calibration: Calibration | None, config: RecognizerConfig) -> str:
    """The calibration that decisions are made by, in words."""
    if calibration is None:
        return 'uncalibrated: by defaults'
    quality = CalibrationQuality.of(calibration)
    if found := differences(calibration, config):
        named = ', '.join(map(str, found))
        return f'by a calibration made with other settings ({named}); {quality}'
    return f'by the calibration of the map, {quality}'


def calibration_problem(
    info: MapInfo | None,
    calibration: Calibration | None,
    config: RecognizerConfig,
    precision: str = '',
) -> str:
    """Why the probabilities of a map do not hold as it is used, with the remedy; else empty.

    Args:
        info: of the map.
        calibration: of the map.
        config: the settings in use.
        precision: number format of the network in use.
    """
    if info is None or calibration is None:
        return ''
    facts = calibration.provenance
    for key, words in (('model_id', 'weights'), ('codec', 'codec')):
        then, now = facts.get(key), getattr(info, key)
        if then is not None and then != now:
            return (
                f'the calibration of {info.path} was made with other {words} ({str(then)[:40]}) '
                f'than the map has ({now[:40]}), so its probabilities do not hold: run '
                '`fol_vpr calibrate` again'
            )
    if found := differences(calibration, config):
        by = [f'scale {config.scale}'] if config.scale else []
        return (
            f'the calibration of {info.path} was made with other settings than are used: '
            f'{", ".join(map(str, found))}{f" ({by[0]})" if by else ""}. Its probabilities do not '
            'hold: leave these settings out, so that those of the map are taken, or run '
            '`fol_vpr calibrate` with them'
        )
    then = str(facts.get('precision', ''))
    if then and precision and (then == 'int8') != (precision == 'int8'):
        return (
            f'the calibration of {info.path} was made with network.precision {then}, and '
            f'{precision} is used, which changes descriptors: calibrate again with --precision '
            f'{precision}'
        )
    return ''


def calibration_remarks(info: MapInfo, calibration: Calibration) -> list[str]:
    """What a user should know of a calibration, whatever it is used with."""
    remarks = []
    if missing := unrecorded(calibration):
        what = 'any setting' if len(missing) == len(CALIBRATED) else ', '.join(missing)
        remarks.append(
            f'the calibration of {info.path} has no record of {what}: an older version made it, '
            'and whether its probabilities hold with the values in use is not known. Run '
            '`fol_vpr calibrate` again to have them recorded'
        )
    quality = CalibrationQuality.of(calibration)
    if quality.is_poor:
        remarks.append(f'the calibration of {info.path} is {quality}')
    radius = calibration.settings.get(RADIUS)
    if info.scale and radius is not None:
        of_scale = setting_of(settings_in_use(RecognizerConfig(), map_scale=info.scale), RADIUS)
        if radius != of_scale:
            remarks.append(
                f'the scale of {info.path} is {info.scale}, whose {RADIUS} is '
                f'{_shown(of_scale)}, but its calibration was made with {_shown(radius)}, which '
                'is used'
            )
    return remarks


def settings_of_map_in_words(
    info: MapInfo, calibration: Calibration | None, config: RecognizerConfig
) -> str:
    """Which settings are taken from the map, and which the user gave instead; empty for none."""
    usual, given = RecognizerConfig(), given_settings(config)
    names = {*(calibration.settings if calibration else ()), *SCALES['room'].values} & {
        *CALIBRATED,
        *(n for n in SCALES['room'].values if n.startswith(('loops.', 'verification.'))),
    }
    taken = [
        f'{name} {_shown(setting_of(config, name))}'
        for name in sorted(names - given)
        if setting_of(config, name) != setting_of(usual, name)
    ]
    scale = config.scale or info.scale or f'{DEFAULT_SCALE}, as nobody named one'
    said = f'scale {scale}'
    if taken:
        said += f'; of the map or its scale: {", ".join(taken)}'
    if kept := sorted(given & names):
        said += f'; given: {", ".join(f"{n} {_shown(setting_of(config, n))}" for n in kept)}'
    return said


def _shown(value: Any) -> str:
    return f'{value:g}' if isinstance(value, float) else str(value)
