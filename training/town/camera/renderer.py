"""Panda3D's software renderer as a maker of geometry buffers: colour and surface of every pixel.

Two passes over the same quadrilaterals: one with textures, one where each has its own flat colour.
From the number of the quadrilateral that a pixel sees follow its exact depth, position and normal
by intersecting the pixel's ray with a plane; no depth buffer is read.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from panda3d import core

from fol_vpr.errors import DeviceError
from training.town.camera import panda
from training.town.world.mesh import Kind, Mesh

_SETTINGS = """
load-display p3tinydisplay
window-type offscreen
audio-library-name null
notify-level-display error
"""
_CELL = 24.0
_NEAR, _FAR = 0.15, 220.0
# What is smaller than about a pixel need not be drawn: edge lengths and ranges in metres.
_SIZES = np.array([0.13, 0.35, 0.8])
_RANGES = np.array([22.0, 45.0, 100.0, _FAR])
_names = itertools.count()


@dataclass(frozen=True, eq=False)
class PinholeCamera:
    """A pinhole camera somewhere.

    Attributes:
        position: [3], metres.
        yaw: heading, counter-clockwise from X, radians.
        pitch: up is positive, radians.
        fov: horizontal field of view, radians.
        roll: clockwise as seen by the camera is positive, radians.
    """

    position: np.ndarray
    yaw: float
    pitch: float = 0.0
    fov: float = 1.2
    roll: float = 0.0

    def axes(self) -> np.ndarray:
        """[3, 3] float64: rows right, forward, up in the world."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        flat_forward, right = np.array([c, s, 0.0]), np.array([s, -c, 0.0])
        up = np.array([0.0, 0.0, 1.0])
        forward = np.cos(self.pitch) * flat_forward + np.sin(self.pitch) * up
        upright = np.cos(self.pitch) * up - np.sin(self.pitch) * flat_forward
        c, s = np.cos(self.roll), np.sin(self.roll)
        return np.stack([c * right - s * upright, forward, c * upright + s * right])

    def rays(self, width: int, height: int) -> np.ndarray:
        """[H, W, 3] float32 in the world; their component along `forward` is 1."""
        focal = width / 2 / np.tan(self.fov / 2)
        x = (np.arange(width) + 0.5 - width / 2) / focal
        z = (height / 2 - np.arange(height) - 0.5) / focal
        return self.rays_at(x[None, :], z[:, None])

    def rays_at(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        """[..., 3] float32 in the world, by their tangents to the right and up."""
        right, forward, up = self.axes()
        rays = x[..., None] * right + z[..., None] * up + forward
        return np.asarray(rays.astype(np.float32))


@dataclass(frozen=True, eq=False)
class GBuffer:
    """What a camera sees before any light.

    Attributes:
        camera: that saw it.
        albedo: [H, W, 3] uint8, RGB.
        surface: [H, W] int32, number of the quadrilateral plus one; 0 is the sky.
        rays: [H, W, 3] float32, see Camera.rays.
    """

    camera: PinholeCamera
    albedo: np.ndarray
    surface: np.ndarray
    rays: np.ndarray


class _Layer:
    """The nodes of one mesh in both scenes."""

    def __init__(
        self,
        renderer: Renderer,
        mesh: Mesh,
        first: int,
        chosen: np.ndarray,
        cell: float = _CELL,
    ) -> None:
        self.surfaces: list[core.NodePath] = []
        self.colours: list[core.NodePath] = []
        self.node_of = np.full(len(mesh), -1, np.int32)
        if not len(chosen):
            return
        p = mesh.corners
        centre = p.mean(1)
        x, y, z = np.floor(centre / cell).astype(np.int64).T
        area = np.linalg.norm(np.cross(p[:, 2] - p[:, 0], p[:, 3] - p[:, 1]), axis=1) / 2
        tier = np.searchsorted(_SIZES, np.sqrt(area))
        key = ((x * 4096 + y) * 4096 + z) * 4 + tier
        order = chosen[np.argsort(key[chosen], kind='stable')]
        groups = np.split(order, np.flatnonzero(np.diff(key[order])) + 1)
        for number, rows in enumerate(groups):
            colour, surface = renderer.attach(mesh, rows, first)
            self.colours.append(colour)
            self.surfaces.append(surface)
            self.node_of[rows] = number
        self._centres = np.stack([centre[rows].mean(0) for rows in groups])
        self._range = np.array([_RANGES[tier[rows[0]]] for rows in groups])
        self._near = np.ones(len(groups), bool)
        self._seen = np.ones(len(groups), bool)

    def show_near(self, position: np.ndarray, visible: bool = True) -> None:
        """Let the surfaces be drawn that are large enough to be seen from a position."""
        if self.surfaces:
            near = np.linalg.norm(self._centres - position, axis=1) < self._range * visible
            _show(self.surfaces, near, self._near)
            self._near = near

    def show_seen(self, numbers: np.ndarray) -> None:
        """Let the colours be drawn of those nodes that some of these quadrilaterals are in."""
        if self.colours:
            seen = np.zeros(len(self.colours) + 1, bool)
            seen[self.node_of[numbers]] = True
            _show(self.colours, seen[:-1], self._seen)
            self._seen = seen[:-1]

    def remove(self) -> None:
        for path in (*self.colours, *self.surfaces):
            path.removeNode()
        self.colours, self.surfaces = [], []


def _show(paths: list[core.NodePath], wanted: np.ndarray, shown: np.ndarray) -> None:
    for index in np.flatnonzero(wanted != shown):
        if wanted[index]:
            paths[index].show()
        else:
            paths[index].hide()


def _software_pipe() -> core.GraphicsPipe:
    """Panda3D's software renderer without a window, whatever displays there are."""
    core.loadPrcFileData('', _SETTINGS)
    pipes = core.GraphicsPipeSelection.getGlobalPtr()
    pipe = pipes.makePipe('TinyOffscreenGraphicsPipe', 'p3tinydisplay')
    if pipe is None:
        raise DeviceError(
            'Panda3D has no software renderer here; pip install -r training/requirements.txt '
            'brings a wheel that does'
        )
    return pipe


class Renderer:
    """Draws a static mesh, and another one that may be exchanged.

    Attributes:
        leaves_shown: whether the trees have any.
        planes: [Q + 1, 4] float32, see Mesh.planes; row 0 is the sky's.
        kinds: [Q + 1] uint8.
    """

    def __init__(
        self, mesh: Mesh, textures: list[np.ndarray], size: tuple[int, int], finer: int = 2
    ) -> None:
        """Prepare.

        Args:
            textures: RGB or RGBA uint8 [H, W, 3 or 4].
            size: width and height of the pictures.
            finer: colours are drawn so many times finer, and averaged.
        """
        self.size, self._finer = size, finer
        self._engine = core.GraphicsEngine.getGlobalPtr()
        self._pipe = _software_pipe()
        self._textures = [panda.texture(each) for each in textures]
        self._silhouettes = [
            panda.texture(panda.white(each)) if each.shape[2] == 4 else None for each in textures
        ]
        self._colour_root, self._surface_root = core.NodePath('colour'), core.NodePath('surface')
        for root in (self._colour_root, self._surface_root):
            # Sorted by state, what has the same depth would be drawn in the order of addresses.
            root.setBin('unsorted', 0)
        self._mesh = mesh
        leaf = np.isin(mesh.texture, [k for k, each in enumerate(textures) if each.shape[2] == 4])
        leaf &= mesh.kind == Kind.FOLIAGE
        self._static = _Layer(self, mesh, 0, np.flatnonzero(~leaf))
        self._leaves = _Layer(self, mesh, 0, np.flatnonzero(leaf))
        self._moving: _Layer | None = None
        self.leaves_shown = True
        width, height = size
        self._colour = _View(self, self._colour_root, (width * finer, height * finer))
        self._surface = _View(self, self._surface_root, size)
        self._sun = _View(self, self._surface_root, (512, 512))
        self._own_planes = np.concatenate([np.zeros((1, 4), np.float32), mesh.planes()])
        self._own_kinds = np.concatenate([np.zeros(1, np.uint8), mesh.kind])
        self.planes, self.kinds = self._own_planes, self._own_kinds

    def set_moving(self, mesh: Mesh | None) -> None:
        """Exchange what is not always there: vehicles, people."""
        if self._moving is not None:
            self._moving.remove()
            self._moving = None
        self.planes, self.kinds = self._own_planes, self._own_kinds
        if mesh is not None and len(mesh):
            self._moving = _Layer(self, mesh, len(self._mesh), np.arange(len(mesh)), 1e6)
            self.planes = np.concatenate([self.planes, mesh.planes()])
            self.kinds = np.concatenate([self.kinds, mesh.kind])

    def render(self, camera: PinholeCamera) -> GBuffer:
        """What the camera sees."""
        self._show_near(camera.position)
        width, height = self.size
        lens = core.PerspectiveLens()
        focal = 1 / np.tan(camera.fov / 2)
        lens.setFov(
            float(np.degrees(camera.fov)), float(np.degrees(2 * np.arctan(height / width / focal)))
        )
        lens.setNearFar(_NEAR, _FAR)
        matrix = panda.matrix(camera.axes(), camera.position)
        surface = panda.decode(self._draw(self._surface, lens, matrix))
        # Colours take most of the time; what the first pass did not see is left out of the second.
        numbers = np.unique(surface[surface > 0]) - 1
        static = numbers[numbers < len(self._mesh)]
        for layer in (self._static, self._leaves):
            layer.show_seen(static)
        if self._moving is not None:
            self._moving.show_seen(numbers[len(static) :] - len(self._mesh))
        albedo = self._draw(self._colour, lens, matrix)
        if self._finer > 1:
            albedo = cv2.resize(albedo, self.size, interpolation=cv2.INTER_AREA)
        return GBuffer(
            camera,
            np.ascontiguousarray(albedo[..., 2::-1]),
            surface,
            camera.rays(width, height),
        )

    def _draw(self, view: _View, lens: core.Lens, matrix: core.LMatrix4) -> np.ndarray:
        view.aim(lens, matrix)
        self._engine.renderFrame()
        view.rest()
        return view.picture()

    def _show_near(self, position: np.ndarray) -> None:
        self._static.show_near(position)
        self._leaves.show_near(position, self.leaves_shown)
        if self._moving is not None:
            self._moving.show_near(position)

    def render_from_sun(self, centre: np.ndarray, axes: np.ndarray, reach: float) -> np.ndarray:
        """[512, 512] int32: the surfaces that the sun sees.

        Args:
            centre: [3], the middle of the picture.
            axes: [3, 3], rows right, forward (away from the sun), up of the picture.
            reach: half its width in metres.
        """
        self._show_near(centre)
        lens = core.OrthographicLens()
        lens.setFilmSize(2 * reach, 2 * reach)
        lens.setNearFar(1.0, 400.0)
        return panda.decode(
            self._draw(self._sun, lens, panda.matrix(axes, centre - 200 * axes[1]))
        )

    def attach(
        self, mesh: Mesh, rows: np.ndarray, first: int
    ) -> tuple[core.NodePath, core.NodePath]:
        """Make the nodes of some quadrilaterals in both scenes."""
        colour, surface = core.GeomNode('c'), core.GeomNode('s')
        texture = mesh.texture[rows]
        tints = np.clip(mesh.tint * 255, 0, 255).astype(np.uint8)
        for index in np.unique(texture):
            chosen = rows[texture == index]
            masked = self._silhouettes[index] is not None
            geom = panda.geom(mesh, chosen, tints[chosen])
            colour.addGeom(geom, panda.state(self._textures[index], masked))
            if masked:
                geom = panda.geom(mesh, chosen, panda.encode(chosen + first + 1))
                surface.addGeom(geom, panda.state(self._silhouettes[index], True))
        opaque = rows[[self._silhouettes[index] is None for index in texture]]
        if len(opaque):
            surface.addGeom(
                panda.geom(mesh, opaque, panda.encode(opaque + first + 1)),
                core.RenderState.makeEmpty(),
            )
        return self._colour_root.attachNewNode(colour), self._surface_root.attachNewNode(surface)

    def output(self, size: tuple[int, int]) -> Any:
        """A buffer in memory to draw into."""
        properties = core.FrameBufferProperties()
        properties.setRgbaBits(8, 8, 8, 8)
        properties.setDepthBits(24)
        return self._engine.makeOutput(
            self._pipe,
            f'town{next(_names)}',
            0,
            properties,
            core.WindowProperties.size(*size),
            core.GraphicsPipe.BFRefuseWindow,
        )

    def close(self) -> None:
        """Give the buffers back."""
        for view in (self._colour, self._surface, self._sun):
            self._engine.removeWindow(view.buffer)
        self._static.remove()
        self._leaves.remove()
        self.set_moving(None)

    def __enter__(self) -> Renderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _View:
    """A buffer with a camera; asleep unless aimed."""

    def __init__(self, renderer: Renderer, root: core.NodePath, size: tuple[int, int]) -> None:
        self.buffer, self._size = renderer.output(size), size
        self.buffer.setClearColor((0, 0, 0, 0))
        self._texture = core.Texture()
        self.buffer.addRenderTexture(
            self._texture, core.GraphicsOutput.RTMCopyRam, core.GraphicsOutput.RTPColor
        )
        self._camera = core.Camera('camera')
        self._path = root.attachNewNode(self._camera)
        self.buffer.makeDisplayRegion().setCamera(self._path)
        self.buffer.setActive(False)

    def aim(self, lens: core.Lens, matrix: core.LMatrix4) -> None:
        self._camera.setLens(lens)
        self._path.setMat(matrix)
        self.buffer.setActive(True)

    def rest(self) -> None:
        self.buffer.setActive(False)

    def picture(self) -> np.ndarray:
        """[H, W, 4] uint8, BGRA, from top to bottom."""
        width, height = self._size
        data = np.frombuffer(self._texture.getRamImage(), np.uint8)
        return data.reshape(height, width, 4)[::-1]
