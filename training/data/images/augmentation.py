"""Changes of an image that leave its place what it is. OpenCV and NumPy, on uint8.

The geometric part is one perspective map from the original to the network's input, bilinear and
without antialiasing, as the images are resized when the network is used. The rest is done at that
size. On a CPU worker this takes a fraction of what the same operations take in kornia, which is
made for batches on a GPU (see training/README.md).
"""

from __future__ import annotations

import cv2
import numpy as np

from training.data.config import AugmentationConfig
from training.data.images import handheld
from training.data.images.camera_config import HandheldConfig, NightConfig
from training.data.images.night import by_night

_BLUR_SIGMA = (0.4, 1.6)
_MOTION = (3, 8)
_NOISE = (3.0, 14.0)
_JPEG_QUALITY = (15, 60)
_OCCLUDER = (0.1, 0.4)
_SHADE = (0.45, 1.5)
_SQUARE = ((0, 0), (1, 0), (1, 1), (0, 1))
_MIRRORED = ((1, 0), (0, 0), (0, 1), (1, 1))


class Augmentation:
    """Draws a change and applies it.

    Args:
        config: what changes, and how much.
        size: side of the result in pixels.
        night: how an image by day is turned into one at night.
        handheld: what a camera in a hand sees.
    """

    def __init__(
        self,
        config: AugmentationConfig,
        size: int,
        night: NightConfig | None = None,
        handheld: HandheldConfig | None = None,
    ) -> None:
        self._config = config
        self._size = size
        self._night = night or NightConfig()
        self._handheld = handheld or HandheldConfig()

    def __call__(
        self,
        image: np.ndarray,
        rng: np.random.Generator,
        mirrored: bool = False,
        night: bool | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """RGB [H, W, 3] uint8 to [size, size, 3] uint8, and where it was taken from.

        Args:
            image: the image; it is not changed.
            rng: draws the change; the same state gives the same change.
            mirrored: whether left and right change places.
            night: whether it is turned into night; None leaves it to chance.

        Returns:
            The changed image, and the perspective map [3, 3] float32 from it to the original, in
            shares of their sides.
        """
        config, strength = self._config, self._config.strength
        in_hand = bool(self._handheld.probability) and rng.random() < self._handheld.probability
        if in_hand:
            corners = handheld.corners(self._handheld, image.shape[1] / image.shape[0], rng)
        else:
            corners = self._corners(rng)
        view = warp(image, corners, self._size, mirrored)
        square = np.array(_MIRRORED if mirrored else _SQUARE, dtype=np.float32)
        frame = cv2.getPerspectiveTransform(square, corners.astype(np.float32))
        frame = frame.astype(np.float32)
        if in_hand and rng.random() < self._handheld.near_object:
            view = handheld.put_before(view, self._handheld, rng)
        if night is None and self._night.probability:
            night = bool(rng.random() < self._night.probability)
        if night:
            # All that the rest does to colours, sharpness and noise is in there.
            return by_night(view, self._night, rng), frame
        if not strength:
            return view, frame

        def happens(probability: float) -> bool:
            return bool(rng.random() < min(1.0, probability * strength))

        if happens(config.occluder):
            view = occlude(view, rng)
        if happens(config.shade):
            view = shade(view, rng)
        view = self._colours(view, rng, happens(config.grey))
        if happens(config.blur):
            view = blur(view, rng)
        if happens(config.noise):
            view = add_noise(view, rng)
        if happens(config.jpeg):
            view = compress(view, rng)
        return view, frame

    def _corners(self, rng: np.random.Generator) -> np.ndarray:
        """Corners [4, 2] of what is seen, as shares of the image's sides, clockwise."""
        config, strength = self._config, self._config.strength
        area = 1 - rng.random() * min(0.9, config.crop * strength)
        aspect = np.exp(0.5 * rng.uniform(-1, 1) * config.aspect * strength)
        sides = np.minimum(np.sqrt(area) * np.array([aspect, 1 / aspect]), 1)
        centre = sides / 2 + rng.random(2) * (1 - sides)
        angle = np.radians(config.rotation * strength * rng.uniform(-1, 1))
        cosine, sine = np.cos(angle), np.sin(angle)
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
        corners = corners + config.perspective * strength * rng.uniform(-0.5, 0.5, (4, 2))
        rotated: np.ndarray = (corners * sides) @ np.array([[cosine, sine], [-sine, cosine]])
        return rotated + centre

    def _colours(self, view: np.ndarray, rng: np.random.Generator, grey: bool) -> np.ndarray:
        config, strength = self._config, self._config.strength

        def change(largest: float) -> float:
            return float(rng.uniform(-1, 1) * min(0.95, largest * strength))

        tones = np.arange(256, dtype=np.float32) / 255
        tones = tones ** np.exp(rng.uniform(-1, 1) * config.gamma * strength)
        tones = (tones - 0.5) * (1 + change(config.contrast)) + 0.5
        tones = tones * (1 + change(config.brightness))
        gains = 1 + np.array([change(config.tint) for _ in range(3)], dtype=np.float32)
        table = np.clip(255 * tones[None, :, None] * gains, 0, 255).round().astype(np.uint8)
        view = cv2.LUT(view, table)
        factor = 0.0 if grey else 1 + change(config.saturation)
        luma = cv2.cvtColor(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        return cv2.addWeighted(view, factor, luma, 1 - factor, 0)


def warp(image: np.ndarray, corners: np.ndarray, size: int, mirrored: bool) -> np.ndarray:
    """What lies between four corners, brought to a square.

    Args:
        image: RGB [H, W, 3] uint8.
        corners: [4, 2], shares of width and height, clockwise from what becomes the top left.
        size: side of the result in pixels.
        mirrored: whether left and right change places.

    Returns:
        [size, size, 3] uint8; beyond the image its border is reflected.
    """
    height, width = image.shape[:2]
    # The share s of a side lies at the pixel s·n - 1/2, the centre of the first pixel being 0.
    source = corners * np.array([width, height]) - 0.5
    target = np.array(_MIRRORED if mirrored else _SQUARE) * size - 0.5
    matrix = cv2.getPerspectiveTransform(target.astype(np.float32), source.astype(np.float32))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(
        image, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT_101
    )


def occlude(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Put a box or an ellipse of noise, of one colour, or of another part of the image over it."""
    size = view.shape[0]
    sides = rng.uniform(*_OCCLUDER, 2) * size
    box = np.maximum(sides, 4).astype(int)
    corner = (rng.random(2) * (size - box)).astype(int)
    patch = view[corner[1] : corner[1] + box[1], corner[0] : corner[0] + box[0]]
    kind = rng.integers(3)
    if kind == 0:
        filling = rng.integers(0, 256, patch.shape, dtype=np.uint8)
    elif kind == 1:
        filling = np.broadcast_to(rng.integers(0, 256, 3, dtype=np.uint8), patch.shape)
    else:
        x, y = (rng.random(2) * (size - box)).astype(int)
        filling = view[y : y + box[1], x : x + box[0]]
    covered = np.ones(patch.shape[:2], dtype=np.uint8)
    if rng.random() < 0.5:
        covered[:] = 0
        half = (int(box[0]) // 2, int(box[1]) // 2)
        cv2.ellipse(covered, half, half, 0, 0, 360, 1, -1)
    result = view.copy()
    result[corner[1] : corner[1] + box[1], corner[0] : corner[0] + box[0]] = np.where(
        covered[:, :, None] > 0, filling, patch
    )
    return result


def shade(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make one side of a soft or sharp straight edge darker or brighter."""
    size = view.shape[0]
    angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.35, 0.35)
    softness, factor = rng.uniform(0.01, 0.3), rng.uniform(*_SHADE)
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    across = np.cos(angle) * axis[None, :] + np.sin(angle) * axis[:, None] - offset
    weight = np.clip(across / softness + 0.5, 0, 1).astype(np.float32)
    gain = cv2.merge([1 + weight * np.float32(factor - 1)] * 3)
    return cv2.multiply(view, gain, dtype=cv2.CV_8U)


def blur(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur as out of focus, or along a line as by motion; in proportion to the size."""
    scale = view.shape[0] / 224
    if rng.random() < 0.5:
        return cv2.GaussianBlur(view, (0, 0), rng.uniform(*_BLUR_SIGMA) * scale)
    length = max(3, round(rng.uniform(*_MOTION) * scale))
    angle = rng.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
    kernel = np.zeros((length, length), dtype=np.float32)
    middle = (length - 1) / 2
    ends = [tuple(round(middle + sign * float(r)) for r in reach) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return cv2.filter2D(view, -1, kernel / kernel.sum())


def add_noise(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of a random strength, alike in all channels or not."""
    deviation = rng.uniform(*_NOISE)
    shape = view.shape if rng.random() < 0.5 else (*view.shape[:2], 1)
    noise = deviation * rng.standard_normal(shape, dtype=np.float32)
    return np.clip(view + noise, 0, 255).astype(np.uint8)


def compress(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Through JPEG of a low quality."""
    quality = int(rng.integers(*_JPEG_QUALITY))
    encoded = cv2.imencode('.jpg', view, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded
