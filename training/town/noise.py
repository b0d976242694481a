"""Random fields and colours that the town's textures, sky and dirt are made of."""

from __future__ import annotations

import cv2
import numpy as np

Rng = np.random.Generator
Colour = tuple[float, float, float]
"""Red, green and blue in 0 .. 1, as a camera would encode them."""


def random_stream(*key: int) -> Rng:
    """A random stream of its own for every key, the same on every machine."""
    return np.random.default_rng([value & 0xFFFFFFFF for value in key])


def fractal(shape: tuple[int, int], rng: Rng, slope: float = 1.0, low: float = 1.0) -> np.ndarray:
    """Periodic noise whose amplitude falls with frequency as 1 / f**slope.

    Natural images have a slope of about 1.

    Args:
        shape: height and width.
        low: cycles per picture below which the amplitude stays level.

    Returns:
        [H, W] float32, mean 0, standard deviation 1.
    """
    height, width = shape
    fy = np.fft.fftfreq(height)[:, None] * height
    fx = np.fft.rfftfreq(width)[None] * width
    frequency = np.maximum(np.hypot(fy, fx), low)
    spectrum = np.fft.rfft2(rng.standard_normal(shape)) / frequency**slope
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, shape)
    return (field / max(float(field.std()), 1e-9)).astype(np.float32)


def flat(shape: tuple[int, int], colour: Colour) -> np.ndarray:
    """[H, W, 3] float32 of one colour."""
    return np.broadcast_to(np.asarray(colour, np.float32), (*shape, 3)).copy()


def weather(picture: np.ndarray, rng: Rng, amount: float = 0.1, slope: float = 1.1) -> np.ndarray:
    """Make a picture lighter and darker, and a little warmer and colder, in patches."""
    shape = picture.shape[:2]
    shade = 1 + amount * fractal(shape, rng, slope)
    tint = 0.25 * amount * fractal(shape, rng, slope)
    picture = picture * shade[..., None]
    picture[..., 0] *= 1 + tint
    picture[..., 2] *= 1 - tint
    return picture


def to_uint8(picture: np.ndarray) -> np.ndarray:
    """0 .. 1 to 0 .. 255."""
    return np.asarray(np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8))


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Colour of a hue in 0 .. 1."""
    angle = np.array([hue, hue - 1 / 3, hue - 2 / 3]) * 2 * np.pi
    rgb = value * (1 - saturation * (0.5 - 0.5 * np.cos(angle)))
    return float(rgb[0]), float(rgb[1]), float(rgb[2])


def hue(rng: Rng) -> float:
    """A hue as people choose them: mostly warm or greyish blue, seldom anything."""
    chance = rng.random()
    if chance < 0.6:
        return float(rng.normal(0.09, 0.04) % 1)
    if chance < 0.8:
        return float(rng.normal(0.58, 0.05) % 1)
    return float(rng.uniform(0, 1))


def streaks(shape: tuple[int, int], rng: Rng, length: int) -> np.ndarray:
    """Dirt that ran down: [H, W] float32 in 0 .. 1."""
    grain = np.maximum(fractal(shape, rng, 0.6) - 0.6, 0)
    return np.asarray(np.clip(cv2.blur(grain, (2, length), borderType=cv2.BORDER_REFLECT), 0, 1))
