# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes from a few numbers, with UV maps, of the same make as Blender's own primitives.

Made from data and not by operators, so that they need no mode, no selection and no window.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import bmesh
import bpy
from mathutils import Matrix

RINGS, SIDES = 48, 12
"""Segments of a torus around its axis and around its tube."""


def primitive(kind: str, name: str, size: float | None) -> bpy.types.Mesh:
    """A mesh of this kind; `size` is its edge length or diameter, Blender units."""
    build, default = PRIMITIVES[kind]
    shape = bmesh.new()
    try:
        # The builders that make UV coordinates write them to the active map.
        shape.loops.layers.uv.new("UVMap")
        build(shape, default if size is None else size)
        mesh = bpy.data.meshes.new(name)
        shape.to_mesh(mesh)
    finally:
        shape.free()
    return mesh


def polygon_mesh(name: str, vertices: Sequence[Sequence[float]], faces: Sequence[Sequence[int]]) -> bpy.types.Mesh:
    """A mesh of these vertices and faces, which have been checked."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(vertices, [], faces)
    mesh.update()
    return mesh


def polygon_fault(count: int, faces: Sequence[Sequence[int]]) -> str | None:
    """What is wrong with faces over `count` vertices, such as `faces[2][0]: …`."""
    for index, face in enumerate(faces):
        if len(face) < 3:
            return f"faces[{index}]: {len(face)} vertices, a face has at least 3"
        if len(set(face)) < len(face):
            return f"faces[{index}]: a vertex twice"
        for corner, vertex in enumerate(face):
            if vertex >= count:
                return f"faces[{index}][{corner}]: no vertex {vertex}, there are {count}"
    return None


def _cube(shape: bmesh.types.BMesh, size: float) -> None:
    bmesh.ops.create_cube(shape, size=size, calc_uvs=True)


def _plane(shape: bmesh.types.BMesh, size: float) -> None:
    bmesh.ops.create_grid(shape, x_segments=1, y_segments=1, size=size / 2, calc_uvs=True)


def _grid(shape: bmesh.types.BMesh, size: float) -> None:
    bmesh.ops.create_grid(shape, x_segments=10, y_segments=10, size=size / 2, calc_uvs=True)


def _circle(shape: bmesh.types.BMesh, size: float) -> None:
    bmesh.ops.create_circle(shape, segments=32, radius=size / 2, calc_uvs=True)


def _uv_sphere(shape: bmesh.types.BMesh, size: float) -> None:
    bmesh.ops.create_uvsphere(shape, u_segments=32, v_segments=16, radius=size / 2, calc_uvs=True)


def _ico_sphere(shape: bmesh.types.BMesh, size: float) -> None:
    bmesh.ops.create_icosphere(shape, subdivisions=2, radius=size / 2, calc_uvs=True)


def _cone(top: float) -> Callable[[bmesh.types.BMesh, float], None]:
    """A cone whose upper radius is `top` times its lower one."""

    def build(shape: bmesh.types.BMesh, size: float) -> None:
        radius = size / 2
        bmesh.ops.create_cone(
            shape, cap_ends=True, segments=32, radius1=radius, radius2=radius * top, depth=size, calc_uvs=True
        )

    return build


def _torus(shape: bmesh.types.BMesh, size: float) -> None:
    """Blender's default proportions: the tube's radius is a quarter of the ring's."""
    ring, tube = size * 0.4, size * 0.1
    vertices = []
    for around in range(RINGS):
        turn = math.tau * around / RINGS
        for side in range(SIDES):
            angle = math.tau * side / SIDES
            out = ring + tube * math.cos(angle)
            vertices.append(shape.verts.new((out * math.cos(turn), out * math.sin(turn), tube * math.sin(angle))))
    uv = shape.loops.layers.uv.active
    for around in range(RINGS):
        for side in range(SIDES):
            steps = ((0, 0), (1, 0), (1, 1), (0, 1))
            corners = [((around + a) % RINGS) * SIDES + (side + b) % SIDES for a, b in steps]
            face = shape.faces.new([vertices[corner] for corner in corners])
            for loop, (a, b) in zip(face.loops, steps, strict=True):
                loop[uv].uv = ((around + a) / RINGS, (side + b) / SIDES)


def _monkey(shape: bmesh.types.BMesh, size: float) -> None:
    bmesh.ops.create_monkey(shape, matrix=Matrix.Scale(size / 2, 4), calc_uvs=True)


PRIMITIVES: dict[str, tuple[Callable[[bmesh.types.BMesh, float], None], float]] = {
    "cube": (_cube, 2.0),
    "plane": (_plane, 2.0),
    "grid": (_grid, 2.0),
    "circle": (_circle, 2.0),
    "uv_sphere": (_uv_sphere, 2.0),
    "ico_sphere": (_ico_sphere, 2.0),
    "cylinder": (_cone(1.0), 2.0),
    "cone": (_cone(0.0), 2.0),
    "torus": (_torus, 2.5),
    "monkey": (_monkey, 2.0),
}
"""How to build each kind, and its size where none is given: those of Blender's operators."""
