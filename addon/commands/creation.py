# SPDX-License-Identifier: GPL-3.0-or-later
"""Making the data of new objects: `object.create` without placing and linking."""

from __future__ import annotations

from typing import Any

import bpy

from ..errors import invalid
from .primitives import PRIMITIVES, polygon_fault, polygon_mesh, primitive

LIGHTS = {"point_light": "POINT", "sun_light": "SUN", "spot_light": "SPOT", "area_light": "AREA"}
MESHES = frozenset((*PRIMITIVES, "mesh"))

_NAMES = {
    "uv_sphere": "Sphere",
    "ico_sphere": "Icosphere",
    "monkey": "Suzanne",
    "point_light": "Point",
    "sun_light": "Sun",
    "spot_light": "Spot",
    "area_light": "Area",
}
"""Blender's default names, where they are not the kind's."""

_FITS = {
    "size": frozenset((*PRIMITIVES, "text", "area_light")),
    "energy": frozenset(LIGHTS),
    "lens": frozenset(("camera",)),
    "material": MESHES | {"text"},
    "smooth": MESHES,
    "text": frozenset(("text",)),
    "vertices": frozenset(("mesh",)),
    "faces": frozenset(("mesh",)),
}
"""Options that only some kinds have."""


def default_name(kind: str) -> str:
    """The name of a new object of this kind, before Blender numbers it."""
    return _NAMES.get(kind, kind.capitalize())


def require_fitting(kind: str, options: dict[str, Any]) -> None:
    """Refuse options that this kind does not have, and geometry that is none."""
    for option, kinds in _FITS.items():
        if options[option] is not None and options[option] is not False and kind not in kinds:
            raise invalid(option, f"a {kind} has none; for {', '.join(sorted(kinds))}")
    if options["rotation"] is not None and options["look_at"] is not None:
        raise invalid("look_at", "it decides the rotation, so give only one of the two")
    if kind == "mesh":
        if options["vertices"] is None:
            raise invalid("vertices", "a mesh needs them")
        if fault := polygon_fault(len(options["vertices"]), options["faces"] or ()):
            raise invalid("faces", fault)


def new_data(kind: str, name: str, options: dict[str, Any]) -> bpy.types.ID | None:
    """The data of a new object; None for an empty. The options have been checked."""
    size = options["size"]
    if kind in MESHES:
        if kind == "mesh":
            mesh = polygon_mesh(name, options["vertices"], options["faces"] or ())
        else:
            mesh = primitive(kind, name, size)
        if options["smooth"]:
            mesh.shade_smooth()
        return mesh
    if kind in LIGHTS:
        return _light(kind, name, size, options["energy"])
    if kind == "camera":
        camera = bpy.data.cameras.new(name)
        if options["lens"] is not None:
            camera.lens = options["lens"]
        return camera
    if kind == "text":
        curve = bpy.data.curves.new(name, "FONT")
        curve.body = "Text" if options["text"] is None else options["text"]
        if size is not None:
            curve.size = size
        return curve
    return None


def _light(kind: str, name: str, size: float | None, energy: float | None) -> bpy.types.Light:
    light = bpy.data.lights.new(name, LIGHTS[kind])
    # As Blender's operators do, where the data's own defaults (10 and 0.25) are not useful.
    if kind == "area_light":
        light.size = 1.0 if size is None else size
    if kind == "sun_light":
        light.energy = 1.0
    if energy is not None:
        light.energy = energy
    return light
