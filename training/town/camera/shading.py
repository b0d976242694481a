"""Light and weather on a geometry buffer: linear RGB radiance, and the depth of every pixel."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np

from training.town.camera.conditions import Condition
from training.town.camera.renderer import GBuffer, Renderer
from training.town.noise import fractal, random_stream
from training.town.world.mesh import Kind
from training.town.world.town import Town

FAR = 250.0
"""Depth of the sky in metres."""
_SHADOW_REACH = 48.0
_LAMPS = 6
_HEADLIGHT = 30.0
"""Light that a wall a metre away gets in the middle of the beam."""
_HEADLIGHT_BELOW = -0.5
_GLINT = 0.12

_OUTDOORS = np.ones(16, np.float32)
_OUTDOORS[[Kind.INSIDE, Kind.INSIDE_GLASS, Kind.PANEL]] = 0
_THIN = np.zeros(16, np.float32)
_THIN[[Kind.FOLIAGE]] = 1
_LEVEL = np.zeros(16, bool)
_LEVEL[[Kind.GROUND, Kind.FOLIAGE, Kind.VEHICLE, Kind.TWIG]] = True


@dataclass(frozen=True, eq=False)
class Shaded:
    """What reaches the lens.

    Attributes:
        radiance: [H, W, 3] float32, linear RGB; a white wall under full sun has about 1.
        depth: [H, W] float32, metres along the camera's axis; FAR for the sky.
    """

    radiance: np.ndarray
    depth: np.ndarray


class Sky:
    """Colours of a sky with clouds and sun."""

    def __init__(self, condition: Condition) -> None:
        e, a = np.radians([max(condition.sun_elevation, 4.0), condition.sun_azimuth])
        self.sun = np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], np.float32)
        day = float(np.clip((condition.sun_elevation + 6) / 14, 0, 1))
        low = float(np.clip(1 - condition.sun_elevation / 25, 0, 1)) * day
        grey = condition.cloud
        zenith = np.array([0.16, 0.3, 0.62]) * (1 - grey) + np.array([0.52, 0.55, 0.6]) * grey
        horizon = np.array([0.6, 0.68, 0.78]) * (1 - grey) + np.array([0.66, 0.68, 0.7]) * grey
        horizon = horizon * (1 - 0.5 * low) + np.array([0.95, 0.62, 0.38]) * 0.5 * low * (1 - grey)
        dark = np.array([0.012, 0.014, 0.022]) * (1 + grey)
        self.zenith = (zenith * day + dark * (1 - day)).astype(np.float32)
        self.horizon = (horizon * day + dark * 1.5 * (1 - day)).astype(np.float32)
        self.cloud_colour = np.float32(
            day * np.array([0.92, 0.92, 0.93]) * (1 - 0.35 * grey) + 0.01
        )
        field = _clouds(condition.seed % 16)
        self._clouds = np.clip((field + 3.2 * condition.cloud - 1.6) * 0.6, 0, 1)
        sunlight = np.array([1.0, 0.93 - 0.25 * low, 0.82 - 0.45 * low]) * (2.3 - 1.0 * low)
        self.sunlight = np.float32(
            sunlight * (1 - grey) ** 1.5 * day * (condition.sun_elevation > 0)
        )
        self.ambient = np.float32(0.62 * (self.zenith * 0.5 + self.horizon * 0.5) + 0.004)
        self.day = day

    def colour(self, direction: np.ndarray) -> np.ndarray:
        """[N, 3] radiance from unit directions [N, 3]."""
        up = np.clip(direction[:, 2:3], 0, 1)
        blend = np.sqrt(up)
        colour = self.horizon * (1 - blend) + self.zenith * blend
        flat = direction[:, :2] / (up + 0.12) * 22
        column = flat.astype(np.int32)
        cover = self._clouds[column[:, 1] & 255, column[:, 0] & 255][:, None]
        cover = cover * np.clip(up * 6, 0.15, 1)
        colour = colour * (1 - cover) + self.cloud_colour * (0.75 + 0.5 * (1 - cover)) * cover
        glow = np.clip(direction @ self.sun, 0, 1)[:, None]
        return np.asarray(
            colour + self.sunlight * (0.35 * glow**16 + 6 * (glow > 0.9995)) * (1 - cover)
        )


class Shader:
    """Shades pictures of one town under one condition, near one spot.

    The sun's shadows are computed for a square around the last `aim`.
    """

    def __init__(self, town: Town, renderer: Renderer, condition: Condition) -> None:
        self._town, self._renderer, self._condition = town, renderer, condition
        self.sky = Sky(condition)
        renderer.leaves_shown = condition.leaves
        self._noise = _detail_noise()
        self._shadow: np.ndarray | None = None
        self._centre = np.zeros(3)
        self._axes = np.eye(3)
        s = self.sky.sun.astype(np.float64)
        side = np.cross([0.0, 0.0, 1.0], s)
        side /= np.linalg.norm(side)
        # Right, forward (away from the sun), up: a right-handed frame.
        self._axes = np.stack([side, -s, np.cross(side, -s)])
        rng = random_stream(condition.seed, 12)
        self._lit = rng.random(4096).astype(np.float32)
        self._lamp_colours = (
            np.where(town.indoor_lamps[:, None], 0.9 * condition.indoor, 5.0) * town.lamp_colours
        )
        outdoors = ~town.indoor_lamps[:, None]
        self._lamp_colours *= np.where(outdoors, _lamp_tint(condition.lamp_warmth), 1.0)
        self._lamp_colours *= np.where(rng.random(len(town.lamps)) < 0.06, 0.1, 1.0)[:, None]

    def aim(self, centre: np.ndarray) -> None:
        """Compute the shadows around a place anew; needed after things have moved, too."""
        self._centre = np.array([centre[0], centre[1], 0.0])
        self._shadow = None
        if self.sky.sunlight.max() > 0.02:
            self._shadow = self._renderer.render_from_sun(self._centre, self._axes, _SHADOW_REACH)
            # Kept, because the surfaces of moving things are numbered anew when they move on.
            self._occluders = self._renderer.planes[self._shadow]

    def depth(self, seen: GBuffer) -> np.ndarray:
        """[H, W] float32, metres along the camera's axis."""
        return self._geometry(seen)[0]

    def _geometry(self, seen: GBuffer) -> tuple[np.ndarray, np.ndarray]:
        """Depth [H, W], and normals towards the viewer [H, W, 3], by ray and plane."""
        planes, surface = self._renderer.planes, seen.surface
        distance = planes[:, 3] - planes[:, :3] @ seen.camera.position.astype(np.float32)
        normal = planes[:, :3][surface]
        facing = np.einsum('hwc,hwc->hw', normal, seen.rays)
        with np.errstate(divide='ignore', invalid='ignore'):
            depth = distance[surface] / facing
        depth = np.where(np.isfinite(depth), np.clip(depth, 0.05, FAR), FAR).astype(np.float32)
        depth[surface == 0] = FAR
        normal *= np.where(facing > 0, -1, 1)[..., None].astype(np.float32)
        return depth, normal

    def shade(self, seen: GBuffer) -> Shaded:
        """Light a picture."""
        condition, renderer = self._condition, self._renderer
        surface, rays = seen.surface, seen.rays
        origin = seen.camera.position.astype(np.float32)
        depth, normal = self._geometry(seen)
        sky = surface == 0
        position = rays * depth[..., None] + origin
        kind = renderer.kinds[surface]
        albedo = seen.albedo.astype(np.float32) / 255
        albedo *= albedo
        # Light goes through leaves, which textures do not know of.
        albedo *= (1 + 0.9 * _THIN[kind])[..., None]
        self._season(albedo, kind)
        albedo *= self._detail(position, normal, depth)[..., None]
        outdoors = _OUTDOORS[kind]
        wet = self._weather_ground(albedo, position, normal, kind)
        light = self._daylight(position, normal, surface, kind, outdoors)
        lamps = self._near_lamps(origin)
        light += self._lamps(lamps, position, normal)
        if condition.headlights and condition.night:
            light += self._headlights(seen, position, normal)
        light *= _occlusion(depth)[..., None]
        radiance = albedo * light
        self._emit(radiance, albedo, kind, surface)
        length = np.sqrt(np.einsum('hwc,hwc->hw', rays, rays))
        direction = rays / length[..., None]
        self._reflect(radiance, direction, normal, kind, wet)
        if wet is not None and condition.night:
            self._glints(radiance, lamps, position, direction, normal, wet)
        if sky.any():
            radiance[sky] = self.sky.colour(direction[sky])
        through = np.exp(-condition.fog * depth * outdoors)[..., None]
        radiance *= through
        radiance += (1 - through) * (self.sky.horizon * 0.9)
        return Shaded(radiance, depth)

    def _season(self, albedo: np.ndarray, kind: np.ndarray) -> None:
        amount = self._condition.autumn
        if amount:
            leaf = kind == Kind.FOLIAGE
            picked = albedo[leaf]
            golden = picked[:, 1:2] * np.array([1.5, 0.85, 0.25], np.float32)
            albedo[leaf] = picked * (1 - amount) + golden * amount

    def _detail(self, position: np.ndarray, normal: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """[H, W] grain and stains that are fixed to the surfaces, finer than textures are."""
        flat = np.abs(normal[..., 2]) > 0.7
        u = np.where(flat, position[..., 0], position[..., 0] * 0.83 + position[..., 1] * 0.57)
        v = np.where(flat, position[..., 1], position[..., 2])
        coarse = self._at(u * 17, v * 17)
        fine = self._at(u * 120, v * 120) * np.clip(1.5 - depth / 5, 0, 1)
        return 1 + 0.09 * coarse + 0.1 * fine

    def _at(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        column, row = u.astype(np.int32) & 511, v.astype(np.int32) & 511
        return np.asarray(self._noise[row, column])

    def _weather_ground(
        self, albedo: np.ndarray, position: np.ndarray, normal: np.ndarray, kind: np.ndarray
    ) -> np.ndarray | None:
        """Snow and water; returns [H, W] how wet, or None."""
        condition = self._condition
        if not (condition.snow or condition.rain):
            return None
        up = np.clip(normal[..., 2] * 2 - 0.8, 0, 1) * _LEVEL[kind]
        patches = self._at(position[..., 0] * 9, position[..., 1] * 9)
        if condition.snow:
            cover = np.clip(patches * 0.8 + 4 * condition.snow - 1.0, 0, 1) * up
            cover = np.maximum(cover, 0.35 * condition.snow * _THIN[kind])[..., None]
            albedo *= 1 - cover
            albedo += 0.82 * cover * (1 + 0.04 * patches[..., None])
        if not condition.rain:
            return None
        wet = up * condition.rain * _OUTDOORS[kind]
        albedo *= (1 - 0.45 * wet)[..., None]
        return np.asarray(wet * np.clip(0.5 + 0.5 * patches, 0.1, 1))

    def _daylight(
        self,
        position: np.ndarray,
        normal: np.ndarray,
        surface: np.ndarray,
        kind: np.ndarray,
        outdoors: np.ndarray,
    ) -> np.ndarray:
        """[H, W, 3] light from sky and sun."""
        sky = self.sky
        open_to_sky = (0.62 + 0.38 * normal[..., 2]) * np.clip(0.7 + position[..., 2] / 8, 0.7, 1)
        light = (open_to_sky * outdoors)[..., None] * (sky.ambient * 1.15)
        light += ((1 - outdoors) * 0.16 * self._condition.indoor)[..., None]
        if self._shadow is not None:
            lambert = normal @ sky.sun
            thin = _THIN[kind]
            lambert = np.maximum(lambert, 0) * (1 - thin) + thin * (0.45 + 0.25 * lambert)
            lambert *= outdoors * self._sunlit(position, surface)
            light += lambert[..., None] * sky.sunlight
        return np.asarray(light)

    def _sunlit(self, position: np.ndarray, surface: np.ndarray) -> np.ndarray:
        """[H, W] 1 in the sun, 0 in shadow."""
        shadow = self._shadow
        assert shadow is not None
        size, reach = shadow.shape[0], _SHADOW_REACH
        local = position - self._centre.astype(np.float32)
        scale = size / (2 * reach)
        x = (local @ self._axes[0].astype(np.float32) * scale + size / 2).astype(np.int32)
        y = (size / 2 - local @ self._axes[2].astype(np.float32) * scale).astype(np.int32)
        inside = (x >= 0) & (x < size) & (y >= 0) & (y < size)
        y, x = np.clip(y, 0, size - 1), np.clip(x, 0, size - 1)
        occluder, plane = shadow[y, x], self._occluders[y, x]
        towards = plane[..., :3] @ self.sky.sun
        with np.errstate(divide='ignore', invalid='ignore'):
            gap = (plane[..., 3] - np.einsum('hwc,hwc->hw', plane[..., :3], position)) / towards
        dark = (gap > 0.12) & (gap < 300) & (occluder != surface) & (occluder > 0) & inside
        lit = 1 - dark.astype(np.float32)
        return np.asarray(cv2.blur(lit, (3, 3)))

    def _near_lamps(self, origin: np.ndarray) -> np.ndarray:
        """Numbers of the nearest lamps that are on."""
        town = self._town
        on = town.indoor_lamps | self._condition.night
        away = np.linalg.norm(town.lamps - origin, axis=1) + np.where(on, 0, 1e6)
        chosen = np.argsort(away, kind='stable')[:_LAMPS]
        return np.asarray(chosen[away[chosen] < 45])

    def _lamps(self, chosen: np.ndarray, position: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """[H, W, 3] light of these lamps, computed at half the resolution."""
        town = self._town
        light = np.zeros((*position[::2, ::2].shape,), np.float32)
        spot, facing = position[::2, ::2], normal[::2, ::2]
        for index in chosen:
            towards = town.lamps[index] - spot
            square = np.einsum('hwc,hwc->hw', towards, towards) + 0.3
            inverse = 1 / square
            lambert = np.einsum('hwc,hwc->hw', towards, facing) * np.sqrt(inverse)
            down = np.clip(towards[..., 2] * np.sqrt(inverse) + 0.35, 0.1, 1)
            strength = np.maximum(lambert, 0.06) * inverse * down
            light += strength[..., None] * self._lamp_colours[index].astype(np.float32)
        height, width = position.shape[:2]
        return np.asarray(cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR))

    def _headlights(self, seen: GBuffer, position: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """[H, W, 3] light of two dipped headlights under the camera."""
        camera = seen.camera
        forward = np.array([np.cos(camera.yaw), np.sin(camera.yaw)], np.float32)
        source = camera.position + np.array([0, 0, _HEADLIGHT_BELOW])
        ray = position - source.astype(np.float32)
        square = np.einsum('hwc,hwc->hw', ray, ray) + 0.5
        ray /= np.sqrt(square)[..., None]
        ahead = ray[..., 0] * forward[0] + ray[..., 1] * forward[1]
        aside = ray[..., 1] * forward[0] - ray[..., 0] * forward[1]
        # A wide, flat beam whose upper edge is sharp, as the rules for dipped beams want it.
        beam = np.exp(-((aside / 0.42) ** 2)) * np.clip(ahead * 4, 0, 1)
        beam *= 1 / (1 + np.exp((ray[..., 2] - 0.02) * 60)) + 0.04
        lambert = np.maximum(-np.einsum('hwc,hwc->hw', ray, normal), 0.05)
        strength = _HEADLIGHT * self._condition.headlights * beam * lambert / square
        return np.asarray(strength[..., None] * np.array([1.0, 0.95, 0.85], np.float32))

    def _glints(
        self,
        radiance: np.ndarray,
        chosen: np.ndarray,
        position: np.ndarray,
        direction: np.ndarray,
        normal: np.ndarray,
        wet: np.ndarray,
    ) -> None:
        """Streaks of light that lamps draw on wet ground, towards whoever looks at them."""
        where = wet > 0.05
        if not where.any() or not len(chosen):
            return
        ray, n, spot = direction[where], normal[where], position[where]
        bounced = ray - 2 * np.einsum('nc,nc->n', ray, n)[:, None] * n
        for index in chosen:
            towards = self._town.lamps[index].astype(np.float32) - spot
            away = np.linalg.norm(towards, axis=1)
            cosine = np.clip(np.einsum('nc,nc->n', bounced, towards) / away, 0, 1)
            glint = _GLINT * wet[where] * cosine**24 / (1 + away / 10)
            radiance[where] += glint[:, None] * self._lamp_colours[index].astype(np.float32)

    def _emit(
        self, radiance: np.ndarray, albedo: np.ndarray, kind: np.ndarray, surface: np.ndarray
    ) -> None:
        """What shines of itself."""
        condition = self._condition
        panel = kind == Kind.PANEL
        radiance[panel] += albedo[panel] * (1.5 * condition.indoor)
        window = kind == Kind.INSIDE_GLASS
        radiance[window] += (albedo[window] + 0.08) * (0.7 * self.sky.day)
        if condition.sun_elevation > 2:
            return
        glass = kind == Kind.GLASS
        lit = (self._lit[surface[glass] & 4095] < 0.3).astype(np.float32)[:, None]
        radiance[glass] += (albedo[glass] + 0.05) * lit * np.array([0.75, 0.6, 0.38], np.float32)
        for each, strength in ((Kind.LAMP, 4.0), (Kind.SIGN, 0.35), (Kind.HEADLAMP, 1.5)):
            shining = kind == each
            radiance[shining] += albedo[shining] * strength

    def _reflect(
        self,
        radiance: np.ndarray,
        direction: np.ndarray,
        normal: np.ndarray,
        kind: np.ndarray,
        wet: np.ndarray | None,
    ) -> None:
        """Sky in windows, varnish and puddles."""
        mirror = np.zeros(kind.shape, np.float32)
        mirror[kind == Kind.GLASS] = 0.5
        mirror[kind == Kind.VEHICLE] = 0.2
        if wet is not None:
            mirror = np.maximum(mirror, wet * 0.8)
        where = mirror > 0.02
        if not where.any():
            return
        ray, n = direction[where], normal[where]
        cosine = np.einsum('nc,nc->n', ray, n)
        bounced = ray - 2 * cosine[:, None] * n
        fresnel = mirror[where] * (0.12 + 0.88 * (1 - np.abs(cosine)) ** 3)
        # What is near the horizon is mostly houses and trees.
        horizon = np.clip(bounced[:, 2] * 5 + 0.3, 0.25, 1)
        radiance[where] += self.sky.colour(bounced) * (fresnel * horizon)[:, None]


def _lamp_tint(warmth: float) -> np.ndarray:
    """[3] factors of a lamp's light: -1 the bluish white of LED, 1 the orange of sodium."""
    sodium, led = np.array([1.25, 0.85, 0.25]), np.array([0.9, 1.0, 1.25])
    return np.asarray(1 + abs(warmth) * ((sodium if warmth > 0 else led) - 1))


@functools.cache
def _detail_noise() -> np.ndarray:
    return fractal((512, 512), random_stream(7), 0.9)


@functools.cache
def _clouds(number: int) -> np.ndarray:
    return fractal((256, 256), random_stream(11, number), 1.5)


def _occlusion(depth: np.ndarray) -> np.ndarray:
    """[H, W] darker where a surface lies deeper than what is around it: corners, recesses."""
    logarithm = np.log(depth)
    near = cv2.blur(logarithm, (9, 9))
    wide = cv2.blur(logarithm, (31, 31))
    hollow = np.clip(logarithm - near, 0, 0.3) + 0.6 * np.clip(logarithm - wide, 0, 0.4)
    return np.exp(-1.2 * hollow)
