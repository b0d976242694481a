"""Settings of the two models of a camera that augmentation has: at night, and in a hand."""

from __future__ import annotations

from dataclasses import dataclass

from fol_vpr.config import Checked, setting
from fol_vpr.errors import InputError


@dataclass(frozen=True)
class NightConfig(Checked):
    """How a photograph by day is turned into one at night (`training.data.images.night`).

    Each pair of numbers is a range that a value is drawn from, evenly or evenly in its logarithm.
    """

    probability: float = setting(
        0.0,
        'Share of the images by day that are turned into night by chance. data.day_and_night '
        'turns one image of a share of the places in any case.',
        minimum=0,
        maximum=1,
    )
    ambient: tuple[float, ...] = setting(
        (0.002, 0.04), 'Light of the sky and the town, as a share of that of the day.'
    )
    sky: float = setting(
        0.6,
        'Probability that what is bright, smooth and high up is made dark as the sky at night; '
        'otherwise it is taken for walls.',
        minimum=0,
        maximum=1,
    )
    lamps: tuple[float, ...] = setting((0, 4), 'Lamps that light the scene.')
    lamp_light: tuple[float, ...] = setting(
        (0.05, 0.5), 'Light under a lamp, as a share of that of the day.'
    )
    lamp_radius: tuple[float, ...] = setting(
        (0.1, 0.5), 'Distance at which half of the light of a lamp is left, in sides of the image.'
    )
    colour_temperature: tuple[float, ...] = setting(
        (1900, 6500), 'Of the lamps, in kelvin: 2,000 is sodium, 3,000 to 6,500 is LED.'
    )
    headlights: float = setting(
        0.4, 'Probability of headlights beside the camera.', minimum=0, maximum=1
    )
    white_balance: tuple[float, ...] = setting(
        (0.2, 1.0), 'Share of the colour cast that the camera takes out, as an exponent.'
    )
    exposure: tuple[float, ...] = setting(
        (0.03, 0.2), 'Mean level that the exposure control aims at; white is 1, linear.'
    )
    gain_stops: tuple[float, ...] = setting(
        (2.0, 7.0), 'Largest gain of the sensor in stops above base ISO; each doubles the noise.'
    )
    full_well: tuple[float, ...] = setting(
        (3000, 20000), 'Electrons of a pixel of the result that are white at base ISO.'
    )
    read_noise: tuple[float, ...] = setting(
        (1.5, 8.0), 'Standard deviation of the read noise in electrons.'
    )
    motion: tuple[float, ...] = setting(
        (0.0, 0.04), 'Way that the image moves during the exposure, in sides of the image.'
    )
    bloom: tuple[float, ...] = setting(
        (0.05, 0.4), 'Share of the light above white that spreads around its source.'
    )
    flare: tuple[float, ...] = setting(
        (0.0, 0.03), 'Share of all light that the lens scatters over the whole image.'
    )
    vignetting: tuple[float, ...] = setting(
        (0.0, 0.5), 'Share of the light that is lost in the corners.'
    )
    contrast: tuple[float, ...] = setting(
        (0.8, 1.4), 'Slope of the tone curve at medium grey, beside that of sRGB.'
    )
    jpeg: tuple[float, ...] = setting((25, 95), 'Quality of the JPEG compression.')

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_ranges(self)


@dataclass(frozen=True)
class HandheldConfig(Checked):
    """How a camera in a hand differs from one on a car (`training.data.images.handheld`)."""

    probability: float = setting(
        0.0, 'Share of the images that are seen so.', minimum=0, maximum=1
    )
    roll: float = setting(
        20.0, 'Largest rotation about the optical axis in degrees.', minimum=0, maximum=90
    )
    pitch: float = setting(12.0, 'Largest rotation up or down in degrees.', minimum=0, maximum=30)
    yaw: float = setting(8.0, 'Largest rotation to either side in degrees.', minimum=0, maximum=30)
    field_of_view: float = setting(
        62.0, 'Horizontal field of view that the images are taken to have, in degrees.',
        minimum=20, maximum=120,
    )  # fmt: skip
    scale: float = setting(
        2.0,
        'Largest ratio of the sizes that a thing has in the original and in what is cut out.',
        minimum=1,
        maximum=4,
    )
    rolling_shutter: float = setting(
        0.08,
        'Largest way that the image moves while its rows are read out, in sides of the image.',
        minimum=0,
        maximum=0.5,
    )
    near_object: float = setting(
        0.25,
        'Probability of something near, out of focus, before the lens.',
        minimum=0,
        maximum=1,
    )
    near_share: tuple[float, ...] = setting(
        (0.1, 0.4), 'How far it reaches into the image, in sides of the image.'
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_ranges(self)


def _check_ranges(config: NightConfig | HandheldConfig) -> None:
    for name, value in vars(config).items():
        if isinstance(value, tuple) and not (len(value) == 2 and 0 <= value[0] <= value[1]):
            raise InputError(
                f'{name} is {list(value)}, expected two numbers from 0, the lower one first'
            )
