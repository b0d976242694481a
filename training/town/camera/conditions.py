"""Time of day, weather, season, traffic, and the camera's faults."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from fol_vpr.errors import InputError
from training.town.noise import Rng


@dataclass(frozen=True)
class Condition:
    """What a picture is taken under.

    Attributes:
        name: for people.
        sun_elevation, sun_azimuth: degrees; azimuth counter-clockwise from X. Night is below -3.
        cloud: 0 clear .. 1 overcast.
        rain, snowfall: 0 .. 1, what is in the air; rain wets the ground.
        snow: 0 .. 1, how much of the ground is covered.
        fog: extinction per metre.
        autumn: 0 summer .. 1 golden leaves.
        leaves: whether the trees have any.
        busy: 0 .. 1, traffic and people.
        indoor: brightness of lamps in corridors, 1 is usual.
        headlights: brightness of the headlights beside the camera, 1 is usual; 0 off. They light
            only at night.
        lamp_warmth: colour of the street lamps, -1 LED (bluish) .. 1 sodium (orange).
        exposure: in stops, beside what the camera's own control finds.
        warmth: white balance, -1 blue .. 1 yellow.
        contrast: of the camera's curve, 1 is usual.
        noise: standard deviation in grey values at medium brightness.
        motion: length in pixels (of a picture 320 wide) that things are smeared by.
        motion_angle: degrees from horizontal.
        defocus: standard deviation in pixels.
        dirt: 0 .. 1, drops and dust on the lens.
        vignette: 0 .. 1, loss of light at the corners.
        distortion: barrel distortion, 0 none .. 0.4 fisheye.
        jpeg: quality.
        seed: of everything random in it: clouds, traffic, lit windows.
    """

    name: str = 'day'
    sun_elevation: float = 45.0
    sun_azimuth: float = 60.0
    cloud: float = 0.2
    rain: float = 0.0
    snowfall: float = 0.0
    snow: float = 0.0
    fog: float = 0.001
    autumn: float = 0.0
    leaves: bool = True
    busy: float = 0.4
    indoor: float = 1.0
    headlights: float = 0.0
    lamp_warmth: float = 0.0
    exposure: float = 0.0
    warmth: float = 0.0
    contrast: float = 1.0
    noise: float = 1.5
    motion: float = 0.0
    motion_angle: float = 0.0
    defocus: float = 0.0
    dirt: float = 0.0
    vignette: float = 0.1
    distortion: float = 0.0
    jpeg: int = 90
    seed: int = 0

    @property
    def night(self) -> bool:
        """Whether lamps are on."""
        return self.sun_elevation < -3


PRESETS: dict[str, Condition] = {
    each.name: each
    for each in (
        Condition('day'),
        Condition('morning', sun_elevation=14, sun_azimuth=10, cloud=0.15, warmth=0.3, busy=0.5),
        Condition('evening', sun_elevation=9, sun_azimuth=200, cloud=0.3, warmth=0.4, busy=0.6),
        Condition('overcast', cloud=1.0, warmth=-0.1, fog=0.003),
        Condition('rain', cloud=1.0, rain=0.8, fog=0.006, dirt=0.5, exposure=-0.2, busy=0.3),
        Condition('fog', cloud=1.0, fog=0.03),
        Condition(
            'snow', cloud=0.9, snow=0.9, snowfall=0.6, fog=0.008, leaves=False, sun_elevation=25
        ),
        Condition('winter', sun_elevation=16, cloud=0.3, leaves=False, warmth=-0.1),
        Condition('autumn', sun_elevation=28, sun_azimuth=150, autumn=1.0, cloud=0.4),
        Condition('dusk', sun_elevation=-2, cloud=0.4, warmth=-0.2, noise=3),
        Condition('night', sun_elevation=-20, cloud=0.5, noise=5, exposure=-0.2, busy=0.3),
        Condition('wet night', sun_elevation=-20, cloud=1, rain=0.6, noise=5, fog=0.004, dirt=0.3),
        Condition(
            'driven night', sun_elevation=-20, cloud=0.5, noise=5, exposure=-0.2, busy=0.5,
            headlights=1.0,
        ),
    )
}  # fmt: skip


_TRUTH = {'true': True, 'True': True, 'false': False, 'False': False}


def named(name: str, seed: int = 0) -> Condition:
    """A preset, or one with changes: `rain`, `day,motion=6,dirt=0.5`.

    Raises:
        InputError: an unknown name or value.
    """
    first, *changes = name.split(',')
    if first not in PRESETS:
        raise InputError(f'no condition is called {first!r}; there are {", ".join(PRESETS)}')
    types = {each.name: type(getattr(PRESETS['day'], each.name)) for each in fields(Condition)}
    values: dict[str, object] = {'seed': seed, 'name': name}
    for change in changes:
        key, _, text = change.partition('=')
        if key not in types or key == 'name':
            raise InputError(f'a condition has no {key!r}; it has {", ".join(types)}')
        try:
            values[key] = _TRUTH[text] if types[key] is bool else types[key](text)
        except (ValueError, KeyError) as error:
            raise InputError(f'{key} is to be {types[key].__name__}, got {text!r}') from error
    return replace(PRESETS[first], **values)  # type: ignore[arg-type]


def random_condition(rng: Rng, strength: float = 1.0, name: str = '') -> Condition:
    """Anything that may happen, most of it in daylight.

    Args:
        strength: 0 .. 1, how bad the camera may be.
        name: of the preset that is varied; empty draws one.
    """
    weights = {
        'day': 0.28,
        'morning': 0.12,
        'evening': 0.08,
        'overcast': 0.16,
        'rain': 0.06,
        'fog': 0.02,
        'snow': 0.03,
        'winter': 0.06,
        'autumn': 0.06,
        'dusk': 0.04,
        'night': 0.06,
        'wet night': 0.03,
    }
    if not name:
        name = str(rng.choice(list(weights), p=np.array(list(weights.values()))))
    base = named(name)
    chance = rng.random(6) * (1 / max(strength, 1e-6))
    varied = replace(
        base,
        sun_elevation=base.sun_elevation + rng.uniform(-6, 10),
        sun_azimuth=rng.uniform(0, 360),
        cloud=float(np.clip(base.cloud + rng.normal(0, 0.2), 0, 1)),
        autumn=max(base.autumn, float(rng.random() < 0.15) * rng.random()),
        leaves=base.leaves and bool(rng.random() > 0.06),
        busy=rng.uniform(0, 0.8),
        indoor=float(2 ** rng.normal(0, 0.7)),
        exposure=base.exposure + strength * rng.normal(0, 0.45),
        warmth=base.warmth + strength * rng.normal(0, 0.35),
        contrast=float(np.exp(strength * rng.normal(0, 0.2))),
        noise=base.noise + strength * rng.exponential(2.0),
        motion=float(rng.exponential(4.0)) if chance[0] < 0.25 else 0.0,
        motion_angle=float(rng.normal(0, 25)),
        defocus=float(rng.uniform(0.3, 1.4)) if chance[1] < 0.25 else 0.0,
        dirt=max(base.dirt, float(rng.uniform(0, 0.8)) if chance[2] < 0.1 else 0.0),
        vignette=strength * rng.uniform(0, 0.5),
        distortion=float(rng.uniform(0.05, 0.35)) if chance[3] < 0.25 else 0.0,
        jpeg=int(rng.integers(95 - int(55 * strength), 96)),
        seed=int(rng.integers(0, 2**31)),
    )
    # From a stream of their own, so that all that is above is what it was without them.
    lights = np.random.default_rng([varied.seed, 31])
    has_headlights = bool(base.headlights) or lights.random() < 0.4
    return replace(
        varied,
        headlights=float(2 ** lights.normal(0, 0.6)) if has_headlights else 0.0,
        lamp_warmth=float(lights.uniform(-1, 1)),
    )
