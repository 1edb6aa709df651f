# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that scripts/demo runs beside Blender: it builds a scene with the client, and tells what it did.

A support spindle stands on a studio floor. Threads come down from all sides and are wound around its one axis.
Run as `python scripts/demo_scene.py FOLDER TEMPORARY_FOLDER`; Blender must be allowed to write into the latter.
"""

from __future__ import annotations

import colorsys
import math
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import spindle

Point = tuple[float, float]
"""Of a profile: the distance from the axis, and the height. Blender units."""

SIZE = {"width": 960, "height": 540}
SAMPLES = 20
THREADS = 24

WOOD_PROFILE = [
    *((0.0, 0.16), (0.05, 0.17), (0.062, 0.30), (0.05, 0.42), (0.075, 0.52), (0.52, 0.56), (0.58, 0.585)),
    *((0.595, 0.62), (0.58, 0.655), (0.5, 0.69), (0.13, 0.74), (0.09, 0.80), (0.075, 0.95), (0.07, 1.6)),
    *((0.062, 2.3), (0.075, 2.42), (0.06, 2.5), (0.05, 2.9), (0.045, 3.02), (0.0, 3.03)),
]
BRASS_PROFILES = {
    "Tip": [(0.0, 0.0), (0.012, 0.01), (0.03, 0.08), (0.055, 0.15), (0.064, 0.18), (0.05, 0.2), (0.0, 0.2)],
    "Ring": [(0.58, 0.59), (0.612, 0.6), (0.622, 0.62), (0.612, 0.64), (0.58, 0.65)],
    "Finial": [
        *((0.0, 3.0), (0.055, 3.01), (0.06, 3.04), (0.035, 3.07), (0.075, 3.13), (0.085, 3.18), (0.07, 3.24)),
        *((0.03, 3.28), (0.02, 3.33), (0.0, 3.36)),
    ],
}
BACKDROP_PROFILE = [
    (-12.0, 0.0),
    *((4 + 4 * math.sin(step / 20 * math.pi / 2), 4 - 4 * math.cos(step / 20 * math.pi / 2)) for step in range(21)),
    (8.0, 14.0),
]
"""Depth and height of a floor that bends up into a wall."""

LIGHTS = [
    ("Key", [-4.5, -3.5, 5.5], [0, 0, 1.6], 520.0, 2.5, [1.0, 0.92, 0.82]),
    ("Fill", [6.0, -4.0, 3.0], [0, 0, 1.6], 150.0, 4.0, [0.72, 0.84, 1.0]),
    ("Rim", [4.0, 3.5, 6.5], [0, 0, 2.0], 520.0, 2.0, [1.0, 0.85, 0.7]),
    ("Glow", [0, 5.2, 6.2], [0, 8.5, 1.8], 420.0, 3.0, [0.5, 0.72, 1.0]),
]
"""Name, location, what it lights, watts, size and colour."""

THREAD = """
import math

turn, colour = args["turn"], args["colour"]
LOW, HIGH, REACH, RISE = 0.8, 2.1, 7.4, 2.55

def wound(t):
    "On the body: a bulge from LOW to HIGH."
    angle = 2 * math.pi * (turn + 2.5 * t)
    return 0.085 + 0.33 * math.sin(math.pi * (0.03 + 0.94 * t)) ** 1.15, LOW + (HIGH - LOW) * t, angle

def free(t):
    "Above it: a fan that opens like a flower."
    radius, height, angle = wound(1)
    swing = 0.9 * (1 - (1 - t) ** 2.2)
    return radius + REACH * t ** 1.9, height + RISE * t ** 0.92, angle + 2 * math.pi * 0.28 * swing

curve = bpy.data.curves.new(args["thread"], "CURVE")
curve.dimensions = "3D"
curve.bevel_depth, curve.bevel_resolution = 0.0125, 2
spline = curve.splines.new("POLY")
places = [wound(i / 220) for i in range(220)] + [free(i / 90) for i in range(91)]
spline.points.add(len(places) - 1)
for point, (radius, height, angle) in zip(spline.points, places):
    point.co = (radius * math.cos(angle), radius * math.sin(angle), height, 1)
    point.radius = 1
material = bpy.data.materials.new(args["thread"])
material.use_nodes = True
shader = material.node_tree.nodes["Principled BSDF"].inputs
shader["Base Color"].default_value = (*colour, 1)
shader["Roughness"].default_value = 0.5
shader["Sheen Weight"].default_value = 0.3
material.diffuse_color = (*colour, 1)
curve.materials.append(material)
bpy.context.scene.collection.objects.link(bpy.data.objects.new(args["thread"], curve))
"""

LOOK = """
scene = bpy.context.scene
world = scene.world = scene.world or bpy.data.worlds.new("Studio")
world.use_nodes = True
world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.30, 0.38, 0.5, 1)
world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.12
lens = bpy.data.objects["Camera"].data
lens.dof.use_dof, lens.dof.focus_distance, lens.dof.aperture_fstop = True, args["focus"], 0.9
scene.view_settings.look = "AgX - Medium High Contrast"
scene.cycles.use_adaptive_sampling, scene.cycles.adaptive_threshold = True, 0.03
scene.cycles.max_bounces = 5
scene.cycles.caustics_reflective = scene.cycles.caustics_refractive = False
"""

MISTAKE = """\
spindle = bpy.data.objects["Spindle"]
spindle.lenght = 3
"""


class DemoFailed(Exception):
    """Blender did something else than the demo shows."""


class Report:
    """A table that grows by a line whenever something is done."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._line("What", "Requests", "Time")
        self._line("-" * 34, "-" * 35, "-" * 12)

    @contextmanager
    def step(self, what: str, requests: str) -> Iterator[None]:
        """Time what happens within."""
        began = time.perf_counter()
        yield
        self._timed(what, requests, began)

    def note(self, text: str) -> None:
        """Tell more about the line before."""
        print(f"      {text}", flush=True)

    def end(self) -> None:
        """Sum up."""
        self._line("", "", "-" * 12)
        self._timed("", "all of it", self._began)
        print()

    def _timed(self, what: str, requests: str, began: float) -> None:
        self._line(what, requests, f"{(time.perf_counter() - began) * 1000:,.1f} ms")

    @staticmethod
    def _line(what: str, requests: str, took: str) -> None:
        print(f"  {what:34}  {requests:35}  {took:>12}", flush=True)


def lathe(profile: Sequence[Point], steps: int = 96) -> dict[str, Any]:
    """Vertices and faces of a profile that is turned around the z axis."""
    angles = [2 * math.pi * step / steps for step in range(steps)]
    vertices = [[r * math.cos(a), r * math.sin(a), z] for r, z in profile for a in angles]
    faces = [
        [row * steps + step, row * steps + after, (row + 1) * steps + after, (row + 1) * steps + step]
        for row in range(len(profile) - 1)
        for step, after in ((step, (step + 1) % steps) for step in range(steps))
    ]
    return {"kind": "mesh", "vertices": vertices, "faces": faces, "smooth": True}


def sweep(profile: Sequence[Point], width: float) -> dict[str, Any]:
    """Vertices and faces of a profile in y and z that is drawn along x."""
    vertices = [[x, y, z] for y, z in profile for x in (-width / 2, width / 2)]
    faces = [[2 * row, 2 * row + 1, 2 * row + 3, 2 * row + 2] for row in range(len(profile) - 1)]
    return {"kind": "mesh", "vertices": vertices, "faces": faces, "smooth": True}


def smooth(profile: Sequence[Point], steps: int = 6) -> list[Point]:
    """A Catmull-Rom curve through the profile's points."""
    points = [profile[0], *profile, profile[-1]]
    result: list[Point] = []
    for a, b, c, d in zip(points, points[1:], points[2:], points[3:], strict=False):
        for t in (step / steps for step in range(steps)):
            radius, height = (
                0.5 * (2 * q + (r - p) * t + (2 * p - 5 * q + 4 * r - s) * t * t + (3 * q - p - 3 * r + s) * t**3)
                for p, q, r, s in zip(a, b, c, d, strict=True)
            )
            result.append((max(radius, 0.0), height))
    return [*result, profile[-1]]


def colour(turn: float) -> tuple[float, float, float]:
    """The linear colour of a thread; the hues go from saffron over rose and violet to teal, and back."""
    way = 1 - abs(2 * turn - 1)
    hue = (0.12 - 0.58 * way) % 1
    return tuple(channel**2.2 for channel in colorsys.hsv_to_rgb(hue, 0.72, 0.95 - 0.08 * way))


def studio(blender: spindle.Blender) -> None:
    """A floor that bends up into a wall, three lights and a camera, all by typed requests."""
    blender.call("material.set", {"name": "Paper", "base_color": [0.05, 0.065, 0.095], "roughness": 0.5})
    blender.call("object.create", {**sweep(BACKDROP_PROFILE, 40), "name": "Backdrop", "material": "Paper"})
    for name, location, target, power, size, tint in LIGHTS:
        light = {"kind": "area_light", "name": name, "location": location, "look_at": target}
        blender.call("object.create", {**light, "energy": power, "size": size, "color": tint})
    camera = {"kind": "camera", "name": "Camera", "location": [0, -9.4, 2.6], "look_at": [0, 0, 1.68], "lens": 50}
    blender.call("object.create", camera)


def body(blender: spindle.Blender) -> None:
    """The spindle, turned on a lathe: the client computes the meshes and sends them."""
    blender.call("material.set", {"name": "Walnut", "base_color": [0.17, 0.055, 0.022], "roughness": 0.32})
    brass = {"name": "Brass", "base_color": [0.88, 0.58, 0.22], "metallic": 1.0, "roughness": 0.2}
    blender.call("material.set", brass)
    blender.call("object.create", {**lathe(smooth(WOOD_PROFILE)), "name": "Spindle", "material": "Walnut"})
    for name, profile in BRASS_PROFILES.items():
        part = {**lathe(smooth(profile)), "name": name, "material": "Brass", "parent": "Spindle"}
        blender.call("object.create", part)


def threads(blender: spindle.Blender) -> int:
    """One script for each thread, all of them one undo step; how many requests it holds."""
    blender.call("edit.group_begin", {"label": "Wind the threads"})
    for index in range(THREADS):
        turn = index / THREADS
        blender.run(THREAD, label=f"Thread {index + 1}", thread=f"Thread {index + 1}", turn=turn, colour=colour(turn))
    changes: int = blender.call("edit.group_end")["changes"]
    return changes


def undo_and_redo(blender: spindle.Blender) -> str:
    """How many threads are there before, after one undo, after one redo. Raises DemoFailed unless all, none, all."""
    counts = [count_threads(blender)]
    for method in ("edit.undo", "edit.redo"):
        blender.call(method)
        counts.append(count_threads(blender))
    if counts != [THREADS, 0, THREADS]:
        raise DemoFailed(f"the threads are not one undo step: {counts}")
    return f"threads before, after one undo, after one redo: {', '.join(map(str, counts))}"


def count_threads(blender: spindle.Blender) -> int:
    """How many threads the scene has."""
    total: int = blender.call("object.list", {"filter": {"name": "Thread *"}, "fields": ["name"]})["total"]
    return total


def mistake(blender: spindle.Blender) -> str:
    """Run a wrong script; how its error is told. Raises DemoFailed if it is not."""
    result = blender.run(MISTAKE, check=False, label="A mistake")
    if result.exception is None:
        raise DemoFailed(f"a wrong script was reported as {result.status}")
    error = result.exception
    return f"line {error.line}: {error.type}: {error.message}"


def save_copy(blender: spindle.Blender, target: Path, temporary: Path) -> None:
    """Save the scene. Blender may write into temporary folders without being asked, so it does that first."""
    written = blender.call("file.save", {"path": str(temporary / target.name), "copy": True})["path"]
    shutil.move(written, target)


def build(blender: spindle.Blender, report: Report) -> None:
    """Make the scene."""
    with report.step("Start an empty file", "file.new"):
        blender.call("file.new", {"empty": True, "discard_changes": True})
    with report.step("Set up a studio", "6 object.create, material.set"):
        studio(blender)
    with report.step("Turn the spindle on a lathe", "4 object.create, 2 material.set"):
        body(blender)
    with report.step("Wind the threads, as one undo step", f"{THREADS} script.run in a group"):
        changes = threads(blender)
    report.note(f"one undo step of {changes} requests")
    with report.step("Undo and redo them", "edit.undo, edit.redo, 3 object.list"):
        told = undo_and_redo(blender)
    report.note(told)
    with report.step("Focus the lens, tint the air", "script.run"):
        blender.run(LOOK, focus=9.3)
    with report.step("Run a script that is wrong", "script.run"):
        told = mistake(blender)
    report.note(told)


def pictures(blender: spindle.Blender, report: Report, folder: Path, temporary: Path) -> list[Path]:
    """Take pictures of the scene and save it; the files."""
    capture, render, file = (folder / name for name in ("capture.png", "render.png", "spindle.blend"))
    with report.step("Go on: ask what there is", "scene.get"):
        objects = blender.call("scene.get")["objects"]
    report.note(", ".join(f"{count} {kind.lower()}" for kind, count in objects.items()))
    with report.step("Capture the view", "view.capture"):
        capture.write_bytes(blender.call("view.capture", {"from": "camera", "shading": "solid", **SIZE})["image"])
    with report.step("Render it", "render.image"):
        render.write_bytes(blender.call("render.image", {"engine": "cycles", "samples": SAMPLES, **SIZE})["image"])
    with report.step("Save it", "file.save"):
        save_copy(blender, file, temporary)
    return [capture, render, file]


def main() -> None:
    """Drive the only Blender there is."""
    folder, temporary = map(Path, sys.argv[1:])
    with spindle.connect(name="demo") as blender:
        print(f"\nConnected to Blender {blender.server.blender}, process {blender.server.pid}.\n", flush=True)
        report = Report()
        build(blender, report)
        files = pictures(blender, report, folder, temporary)
    report.end()
    for file in files:
        print(f"  {file.stat().st_size / 1e3:8,.0f} kB  {file}")


if __name__ == "__main__":
    try:
        main()
    except (spindle.SpindleError, DemoFailed, OSError) as error:
        sys.exit(f"scripts/demo: {error}")
