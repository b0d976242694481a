"""A photograph taken by day as a camera would have taken it at night.

The steps are those of a camera, in its units: pixels become linear light (the inverse of the sRGB
curve), which is scaled by a map of illumination: sky glow, lamps of a colour temperature, and the
beam of headlights. The exposure control raises the gain, long exposure smears what moves, the
lens blooms, scatters and vignettes. Electrons are then counted with shot noise and read noise, and
a tone curve, eight bits and JPEG make a picture of them.

A photograph does not say how far away things are, nor what is sky. Lamps are therefore pools
in the image, and sky is what is bright, smooth and high up in it.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from training.data.images.camera_config import NightConfig

Rng = np.random.Generator

_WAVELENGTHS = np.array([612e-9, 549e-9, 465e-9])
"""Of the primaries of sRGB, in metres."""
_PLANCK = 1.4388e-2
"""Second radiation constant, metres kelvin."""
_DAYLIGHT = 6500.0
_SKYGLOW = np.array([0.85, 0.95, 1.25], np.float32)
_SRGB_INVERSE = np.where(
    np.arange(256) / 255 <= 0.04045,
    np.arange(256) / 255 / 12.92,
    ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4,
).astype(np.float32)
_LEVELS = 4096
_CURVE_AT = np.linspace(0, 1, _LEVELS)
_SRGB = np.where(
    _CURVE_AT <= 0.0031308, 12.92 * _CURVE_AT, 1.055 * _CURVE_AT ** (1 / 2.4) - 0.055
).astype(np.float32)
_MEDIUM_GREY = 0.46


class Camera(NamedTuple):
    """What is drawn of a camera; see `NightConfig` for the units."""

    white_balance: float
    exposure: float
    gain_stops: float
    full_well: float
    read_noise: float
    motion: float
    bloom: float
    flare: float
    vignetting: float
    contrast: float
    jpeg: int


def by_night(view: np.ndarray, config: NightConfig, rng: Rng) -> np.ndarray:
    """RGB [H, W, 3] uint8 by day to the same by night; the same `rng` gives the same."""
    camera = draw_camera(config, rng)
    light, lamps = illumination(view.shape[:2], config, rng)
    radiance = linear(view)
    if rng.random() < config.sky:
        radiance *= (1 - 0.97 * sky(view))[..., None]
    radiance *= light
    for lamp in lamps:
        _shine(radiance, lamp)
    cast = light.mean(axis=(0, 1))
    radiance *= (cast.mean() / cast) ** camera.white_balance
    return develop(radiance, camera, rng)


def draw_camera(config: NightConfig, rng: Rng) -> Camera:
    """Draw a camera and its settings."""
    return Camera(
        white_balance=_even(config.white_balance, rng),
        exposure=_logarithmic(config.exposure, rng),
        gain_stops=_even(config.gain_stops, rng),
        full_well=_logarithmic(config.full_well, rng),
        read_noise=_logarithmic(config.read_noise, rng),
        # Most exposures are steady.
        motion=config.motion[0] + np.ptp(config.motion) * rng.random() ** 3,
        bloom=_even(config.bloom, rng),
        flare=_even(config.flare, rng),
        vignetting=_even(config.vignetting, rng),
        contrast=_logarithmic(config.contrast, rng),
        jpeg=round(_even(config.jpeg, rng)),
    )


def _even(between: tuple[float, ...], rng: Rng) -> float:
    low, high = between
    return float(rng.uniform(low, high))


def _logarithmic(between: tuple[float, ...], rng: Rng) -> float:
    low, high = np.log(np.maximum(between, 1e-6))
    return float(np.exp(rng.uniform(low, high)))


def linear(view: np.ndarray) -> np.ndarray:
    """[H, W, 3] float32 linear light of sRGB [H, W, 3] uint8; white is 1."""
    return np.asarray(_SRGB_INVERSE[view])


def black_body(kelvin: float) -> np.ndarray:
    """[3] float32, linear RGB of the light of a temperature; white at 6,500 K, mean 1."""

    def planck(temperature: float) -> np.ndarray:
        return np.asarray(_WAVELENGTHS**-5 / np.expm1(_PLANCK / (_WAVELENGTHS * temperature)))

    colour = planck(kelvin) / planck(_DAYLIGHT)
    return np.asarray(colour / colour.mean(), np.float32)


class Lamp(NamedTuple):
    """One in the image: x and y in pixels, the radius of what shines, and its radiance [3]."""

    x: float
    y: float
    radius: float
    radiance: np.ndarray


def illumination(
    shape: tuple[int, int], config: NightConfig, rng: Rng
) -> tuple[np.ndarray, list[Lamp]]:
    """Light [H, W, 3] float32 that falls on the scene, of the day 1, and what shines in it."""
    height, width = shape
    side = max(shape)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    light = np.empty((height, width, 3), np.float32)
    light[:] = _logarithmic(config.ambient, rng) * _SKYGLOW
    lamps = []
    low, high = config.lamps
    for _ in range(int(rng.integers(int(low), int(high) + 1))):
        colour = black_body(_logarithmic(config.colour_temperature, rng))
        strength = _logarithmic(config.lamp_light, rng)
        reach = _logarithmic(config.lamp_radius, rng) * side
        at_x, at_y = rng.uniform(-0.1, 1.1) * width, rng.uniform(-0.1, 0.55) * height
        # The pool of light lies below the lamp, and is wider than high.
        pool_y = at_y + rng.uniform(0.1, 0.5) * height
        square = ((x - at_x) / reach) ** 2 + ((y - pool_y) / (0.7 * reach)) ** 2
        light += (strength / (1 + square))[..., None] * colour
        if rng.random() < 0.6:
            radius = max(0.7, rng.uniform(0.004, 0.02) * side)
            lamps.append(Lamp(at_x, at_y, radius, 40 * strength * colour))
    if rng.random() < config.headlights:
        colour = black_body(rng.uniform(3000, 6000))
        strength = _logarithmic(config.lamp_light, rng) * 2
        horizon = rng.uniform(0.45, 0.65) * height
        across = (x / width - rng.uniform(0.35, 0.65)) / rng.uniform(0.2, 0.4)
        edge = 1 / (1 + np.exp((horizon - y) / (0.02 * height)))
        nearness = np.clip((y - horizon) / (height - horizon), 0, 1)
        beam = np.exp(-(across**2)) * (0.05 + edge * (0.4 + 0.6 * nearness))
        light += (strength * beam)[..., None] * colour
    return light, lamps


def sky(view: np.ndarray) -> np.ndarray:
    """[H, W] float32, 1 where a photograph by day may show sky: bright, smooth, high up."""
    height = view.shape[0]
    grey = cv2.cvtColor(view, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    bright = np.clip((grey - 0.45) / 0.15, 0, 1)
    rough = cv2.blur(np.abs(cv2.Laplacian(grey, cv2.CV_32F)), (5, 5))
    high = np.clip(2 - 3.5 * (np.arange(height, dtype=np.float32) + 0.5) / height, 0, 1)
    smooth = bright * np.clip(1.5 - 12 * rough, 0, 1) * high[:, None]
    # What is bright beside it belongs to it, up to the edge of what stands before it.
    grown = cv2.dilate(smooth, np.ones((9, 9), np.uint8)) * np.clip(bright * 3, 0, 1)
    return np.asarray(cv2.blur(grown, (3, 3)))


def _shine(radiance: np.ndarray, lamp: Lamp) -> None:
    """Draw a lamp where it is in the image."""
    centre, radius = (round(lamp.x * 16), round(lamp.y * 16)), round(lamp.radius * 16)
    colour = tuple(float(channel) for channel in lamp.radiance)
    cv2.circle(radiance, centre, radius, colour, -1, cv2.LINE_AA, 4)


def develop(radiance: np.ndarray, camera: Camera, rng: Rng) -> np.ndarray:
    """RGB [H, W, 3] uint8 of linear light [H, W, 3] float32, by a camera at night."""
    picture = expose(radiance, camera, rng)
    encoded = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, camera.jpeg])[1]
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded


def expose(radiance: np.ndarray, camera: Camera, rng: Rng) -> np.ndarray:
    """The same before it is compressed."""
    height, width = radiance.shape[:2]
    side = max(height, width)
    if camera.flare:
        radiance = radiance + camera.flare * radiance.mean(axis=(0, 1))
    x = (np.arange(width, dtype=np.float32) + 0.5) / width * 2 - 1
    y = (np.arange(height, dtype=np.float32) + 0.5) / height * 2 - 1
    falloff = 1 - camera.vignetting * (x[None] ** 2 + y[:, None] ** 2) / 2
    radiance = radiance * falloff[..., None]
    length = round(camera.motion * side)
    if length >= 2:
        radiance = cv2.filter2D(radiance, -1, _line(length, rng.uniform(0, np.pi)))
    # Half of the pixels decide, not the lamps.
    level = max(float(np.median(radiance)), 1e-5)
    stops = float(np.clip(np.log2(camera.exposure / level), -2, camera.gain_stops))
    gain = 2.0**stops
    above = np.clip(radiance * gain - 1, 0, 30)
    if camera.bloom and above.any():
        small = cv2.resize(above, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        spread = cv2.GaussianBlur(small, (0, 0), 0.005 * side)
        spread += 0.5 * cv2.GaussianBlur(small, (0, 0), 0.015 * side)
        spread = cv2.resize(spread, (width, height), interpolation=cv2.INTER_LINEAR)
        radiance = radiance + camera.bloom / gain * spread
    electrons = radiance * np.float32(camera.full_well)
    noise = rng.standard_normal(electrons.shape, dtype=np.float32)
    electrons += noise * np.sqrt(electrons + np.float32(camera.read_noise**2))
    value = np.clip(electrons * np.float32(gain / camera.full_well), 0, 1)
    value = _SRGB[(value * (_LEVELS - 1)).astype(np.int32)]
    value = (value - _MEDIUM_GREY) * np.float32(camera.contrast) + np.float32(_MEDIUM_GREY)
    return np.asarray(np.clip(255 * value + 0.5, 0, 255).astype(np.uint8))


def _line(length: int, angle: float) -> np.ndarray:
    """A kernel that smears along a line."""
    size = length // 2 * 2 + 1
    kernel = np.zeros((size, size), np.float32)
    reach = np.array([np.cos(angle), np.sin(angle)]) * (size - 1) / 2
    middle = size // 2
    ends = [tuple(round(middle + sign * float(r)) for r in reach) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return np.asarray(kernel / kernel.sum())
