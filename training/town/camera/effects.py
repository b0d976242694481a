"""From radiance to a camera's picture: rain and snow in the air, lens, exposure, noise, JPEG."""

from __future__ import annotations

import cv2
import numpy as np

from training.town.camera.conditions import Condition
from training.town.camera.shading import Shaded
from training.town.noise import Rng, fractal


def develop(
    shaded: Shaded, condition: Condition, rng: Rng, out: tuple[int, int] | None = None
) -> np.ndarray:
    """A camera's picture, before compression.

    Args:
        rng: of noise and of what falls; the dirt on the lens stays, by the condition's seed.
        out: width and height; the radiance's own where not given.

    Returns:
        [H, W, 3] uint8, RGB.
    """
    radiance = shaded.radiance
    height, width = radiance.shape[:2]
    radiance = radiance * _exposure(radiance, condition)
    if condition.rain or condition.snowfall:
        _falling(radiance, shaded.depth, condition, rng)
    bright = np.clip(radiance - 1.0, 0, 4)
    if bright.any():
        small = cv2.resize(bright, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
        glow = cv2.GaussianBlur(small, (0, 0), 2.5)
        radiance += 0.35 * cv2.resize(glow, (width, height), interpolation=cv2.INTER_LINEAR)
    if condition.motion > 1:
        radiance = cv2.filter2D(radiance, -1, _smear(condition, width))
    if condition.defocus:
        radiance = cv2.GaussianBlur(radiance, (0, 0), condition.defocus * width / 320)
    if condition.dirt:
        radiance = _dirty(radiance, condition)
    if condition.distortion:
        radiance = _bend(radiance, condition.distortion)
    if out is not None and out != (width, height):
        radiance = cv2.resize(radiance, out, interpolation=cv2.INTER_AREA)
        width, height = out
    if condition.vignette:
        radiance *= _vignette(width, height, condition.vignette)[..., None]
    return _expose(radiance, condition, rng)


def encode(picture: np.ndarray, quality: int) -> bytes:
    """JPEG bytes of an RGB picture."""
    bgr = np.ascontiguousarray(picture[..., ::-1])
    done, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return data.tobytes()


def _exposure(radiance: np.ndarray, condition: Condition) -> float:
    """What the camera's control chooses: it lifts the dark, but not all the way."""
    grey = radiance[::4, ::4].mean(-1)
    level = float(np.exp(np.log(grey + 1e-3).mean()))
    return float((0.24 / level) ** 0.8 * 2**condition.exposure)


def _expose(radiance: np.ndarray, condition: Condition, rng: Rng) -> np.ndarray:
    gains = np.exp(np.array([0.22, 0.0, -0.3]) * condition.warmth).astype(np.float32)
    value = np.maximum(radiance, 0) * gains
    # A soft shoulder keeps the sky from burning out at once.
    value = value * (1 + value / 9) / (1 + value * 0.6)
    value = np.sqrt(value) * 255
    if condition.contrast != 1:
        value = (value - 118) * condition.contrast + 118
    if condition.noise:
        shape = value.shape
        grain = rng.standard_normal((shape[0], shape[1], 1), np.float32) * 0.8
        grain = grain + rng.standard_normal(shape, np.float32) * 0.6
        value += grain * condition.noise * (1.4 - value / 320)
    return np.asarray(np.clip(value, 0, 255).astype(np.uint8))


def _smear(condition: Condition, width: int) -> np.ndarray:
    length = max(condition.motion * width / 320, 1.0)
    size = int(length) // 2 * 2 + 3
    kernel = np.zeros((size, size), np.float32)
    angle = np.radians(condition.motion_angle)
    reach = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    centre = size // 2
    start = (round(centre - reach[0]), round(centre - reach[1]))
    end = (round(centre + reach[0]), round(centre + reach[1]))
    cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_AA)
    return np.asarray(kernel / kernel.sum())


def _falling(radiance: np.ndarray, depth: np.ndarray, condition: Condition, rng: Rng) -> None:
    """Streaks of rain and flakes of snow, nearer ones in front of what is further away."""
    height, width = depth.shape
    if np.median(depth) < 4:  # under a roof
        return
    level = float(radiance.mean())
    scale = width / 320
    layer = np.zeros((height, width), np.float32)
    if condition.rain:
        for _ in range(int(220 * condition.rain)):
            x, y = int(rng.integers(0, width)), int(rng.integers(-20, height))
            near = rng.uniform(1.5, 15)
            if depth[min(max(y, 0), height - 1), x] < near:
                continue
            length = int(70 * scale / near) + 2
            end = (x + int(length * 0.15), y + length)
            cv2.line(layer, (x, y), end, float(rng.uniform(0.08, 0.3)), 1, cv2.LINE_AA)
    for _ in range(int(420 * condition.snowfall)):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        near = rng.uniform(1.0, 14)
        if depth[y, x] > near:
            radius = max(int(4.5 * scale / near), 1)
            cv2.circle(layer, (x, y), radius, float(rng.uniform(0.4, 0.9)), -1, cv2.LINE_AA)
    veil = cv2.GaussianBlur(layer, (0, 0), 0.6 * scale)[..., None]
    radiance *= 1 - veil
    radiance += veil * level * 1.8


def _dirty(radiance: np.ndarray, condition: Condition) -> np.ndarray:
    """Drops that show the picture blurred and shifted, and dust that veils it."""
    height, width = radiance.shape[:2]
    rng = np.random.default_rng([condition.seed, 21])
    blurred = cv2.GaussianBlur(radiance, (0, 0), 5 * width / 320)
    mask = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(4, 26) * condition.dirt) + 1):
        at = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        radius = rng.uniform(2, 14) * width / 320
        axes = (int(radius) + 1, int(radius * rng.uniform(0.6, 1.5)) + 1)
        cv2.ellipse(mask, at, axes, 0, 0, 360, float(rng.uniform(0.4, 1)), -1, cv2.LINE_AA)
    wet = cv2.GaussianBlur(mask, (0, 0), 1.5 * width / 320)[..., None]
    dust = np.clip(fractal((height, width), rng, 1.3) - 0.6, 0, 1)[..., None] * condition.dirt
    veil = 0.3 * dust
    level = radiance.mean()
    return np.asarray((radiance * (1 - wet) + blurred * wet) * (1 - veil) + level * veil)


def _vignette(width: int, height: int, amount: float) -> np.ndarray:
    x = (np.arange(width, dtype=np.float32) / width - 0.5) * 2
    y = (np.arange(height, dtype=np.float32) / height - 0.5) * 2
    radius = (x[None] ** 2 + y[:, None] ** 2) / 2
    return np.asarray(1 - amount * radius)


def unbent(x: np.ndarray, y: np.ndarray, amount: float, ratio: float) -> np.ndarray:
    """By what a point of a bent picture is multiplied to be that of the pinhole picture.

    Args:
        x, y: from the middle, in half widths.
        amount: see `Condition.distortion`.
        ratio: height by width. The corners of both pictures are at the same places.
    """
    return np.asarray((1 + amount * (x**2 + y**2)) / (1 + amount * (1 + ratio**2)))


def _bend(radiance: np.ndarray, amount: float) -> np.ndarray:
    """Barrel distortion: straight lines bow outwards, as through a wide lens."""
    height, width = radiance.shape[:2]
    x = (np.arange(width, dtype=np.float32) + 0.5) / width * 2 - 1
    y = ((np.arange(height, dtype=np.float32) + 0.5) / height * 2 - 1) * height / width
    factor = unbent(x[None], y[:, None], amount, height / width)
    map_x = (x[None] * factor + 1) / 2 * width - 0.5
    map_y = (y[:, None] * factor * width / height + 1) / 2 * height - 0.5
    return np.asarray(
        cv2.remap(radiance, map_x, map_y, cv2.INTER_LINEAR, None, cv2.BORDER_REFLECT)
    )
