"""Arrays as Panda3D's geometry, textures and states."""

from __future__ import annotations

import cv2
import numpy as np
from panda3d import core

from training.town.world.mesh import Mesh

_VERTEX = np.dtype([('xyz', '<f4', 3), ('colour', 'u1', 4), ('uv', '<f4', 2)])


def matrix(axes: np.ndarray, position: np.ndarray) -> core.LMatrix4:
    """Pose of a camera with the given axes (rows right, forward, up)."""
    rows = np.eye(4)
    rows[:3, :3], rows[3, :3] = axes, position
    return core.LMatrix4(*rows.ravel().tolist())


def encode(numbers: np.ndarray) -> np.ndarray:
    """[N] numbers below 2**18 as [N, 3] colours that survive being off by one."""
    parts = np.stack([numbers >> 12 & 63, numbers >> 6 & 63, numbers & 63], 1)
    return np.asarray((parts << 2 | 2).astype(np.uint8))


def decode(picture: np.ndarray) -> np.ndarray:
    """[H, W] int32: the numbers in a picture [H, W, 4] of such colours, BGRA."""
    parts = picture.astype(np.int32) >> 2
    return np.asarray(parts[..., 2] << 12 | parts[..., 1] << 6 | parts[..., 0])


def geom(mesh: Mesh, rows: np.ndarray, colours: np.ndarray) -> core.Geom:
    """Some quadrilaterals of a mesh; `colours` is [N, 3] uint8."""
    vertices = np.zeros((len(rows), 4), _VERTEX)
    vertices['xyz'] = mesh.corners[rows]
    vertices['uv'] = mesh.uv[rows]
    vertices['colour'][..., :3] = colours[:, None]
    vertices['colour'][..., 3] = 255
    data = core.GeomVertexData('q', core.GeomVertexFormat.getV3c4t2(), core.Geom.UHStatic)
    data.uncleanSetNumRows(4 * len(rows))
    memoryview(data.modifyArray(0)).cast('B')[:] = vertices.tobytes()
    first = 4 * np.arange(len(rows), dtype=np.uint32)[:, None]
    indices = first + np.array([0, 1, 2, 0, 2, 3], np.uint32)
    triangles = core.GeomTriangles(core.Geom.UHStatic)
    triangles.setIndexType(core.GeomEnums.NTUint32)
    array = triangles.modifyVertices()
    array.uncleanSetNumRows(indices.size)
    memoryview(array).cast('B')[:] = indices.tobytes()
    geom = core.Geom(data)
    geom.addPrimitive(triangles)
    return geom


def state(texture: core.Texture, masked: bool) -> core.RenderState:
    """How they are drawn; `masked` has holes, and is seen from both sides."""
    attributes = [core.TextureAttrib.make(texture), core.ColorAttrib.makeVertex()]
    if masked:
        attributes.append(core.TransparencyAttrib.make(core.TransparencyAttrib.MBinary))
        attributes.append(core.CullFaceAttrib.make(core.CullFaceAttrib.MCullNone))
    return core.RenderState.make(*attributes)


def white(picture: np.ndarray) -> np.ndarray:
    """The same silhouette without colours."""
    picture = picture.copy()
    picture[..., :3] = 255
    return picture


def texture(picture: np.ndarray) -> core.Texture:
    """A texture from RGB or RGBA uint8 [H, W, 3 or 4]; its sides become powers of two."""
    height, width, channels = picture.shape
    width, height = (1 << (side - 1).bit_length() for side in (width, height))
    picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    made = core.Texture()
    layout = core.Texture.FRgba if channels == 4 else core.Texture.FRgb
    made.setup2dTexture(width, height, core.Texture.TUnsignedByte, layout)
    order = [2, 1, 0, 3][:channels]
    made.setRamImage(np.ascontiguousarray(picture[::-1][..., order]).tobytes())
    made.setMinfilter(core.SamplerState.FTLinearMipmapLinear)
    made.setMagfilter(core.SamplerState.FTLinear)
    return made
