# SPDX-License-Identifier: GPL-3.0-or-later
"""What a script leaves behind is named, and nothing else is (BUG-005, DROP_CLASSES)."""

from __future__ import annotations

import ast
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import bpy
import pytest

from addon import aftermath
from addon.aftermath import NAMES, Snapshot
from addon.commands.touching import EVERYTHING, touched

Left = dict[str, list[str]] | None


@pytest.fixture
def leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Left]]:
    """Run a script between the two looks; what it left, by kind. All of it is taken away afterwards."""
    handlers = {
        name: found.copy()
        for name in dir(bpy.app.handlers)
        if isinstance(found := getattr(bpy.app.handlers, name), list)
    }
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(aftermath, "_driverless", (set(), 0.0))
    modules, mains, release, started = sys.modules.copy(), [], threading.Event(), threading.Event()
    for name in ("left_alone", "left_pack", "left_pack.inner"):
        path = tmp_path / (name.replace(".", "/") + ("/__init__.py" if name == "left_pack" else ".py"))
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    sys.path.append(str(tmp_path))

    def run(code: str, before: str = "", changes: bool = True) -> Left:
        main = types.ModuleType("__main__")
        main.__dict__.update(bpy=bpy, release=release, started=started)
        mains.append(main)
        exec(before, main.__dict__)
        snapshot = Snapshot.take(touched(ast.parse(code), code) if changes else None)
        exec(code, main.__dict__)
        return snapshot.difference(main.__dict__)

    yield run
    release.set()
    for main in mains:
        for value in main.__dict__.values():
            if callable(value) and not isinstance(value, type) and bpy.app.timers.is_registered(value):
                bpy.app.timers.unregister(value)
            if isinstance(value, type) and "bl_rna" in value.__dict__:
                bpy.utils.unregister_class(value)
    for name, functions in handlers.items():
        getattr(bpy.app.handlers, name)[:] = functions
    for name in sys.modules.keys() - modules.keys():
        del sys.modules[name]
    preferences = bpy.context.preferences
    preferences.edit.undo_steps = 32
    preferences.filepaths.use_scripts_auto_execute = False


PANEL = """
class LEFT_PT_panel(bpy.types.Panel):
    bl_space_type, bl_region_type, bl_label = 'VIEW_3D', 'UI', 'Left'
    def draw(self, context): pass
bpy.utils.register_class(LEFT_PT_panel)
"""
NAMELESS = """
import _thread
_thread.start_new_thread(lambda: (started.set(), release.wait()), ())
started.wait()
"""
THING = "thing = bpy.data.objects.new('Thing', None)\n"
DRIVEN = THING + "thing.driver_add('location', 1).driver.expression = '1 + 1'\n"
READER = """
reader = bpy.data.objects.new('Reader', None)
bpy.context.scene.collection.objects.link(reader)
divisor = [1]
bpy.app.driver_namespace['divide'] = lambda value: value / divisor[0]
reader.driver_add('location', 0).driver.expression = 'divide(frame)'
bpy.context.view_layer.update()
"""

ROWS: list[tuple[str, str, Left]] = [
    ("", "1 + 1", None),
    ("", THING + "bpy.data.meshes.new('M')", None),
    ("", "def post(*_): pass\nbpy.app.handlers.load_post.append(post)", {"handlers": ["load_post: post"]}),
    ("", "bpy.app.handlers.save_pre.append(lambda *_: None)", {"handlers": ["save_pre: <lambda>"]}),
    (
        "def old(*_): pass\nbpy.app.handlers.load_pre.append(old)",
        "def new(*_): pass\nbpy.app.handlers.load_pre[-1] = new",
        {"handlers": ["load_pre: new"]},
    ),
    ("bpy.app.handlers.load_pre.append(print)", "bpy.app.handlers.load_pre.remove(print)", None),
    ("", "def tick(): pass\nbpy.app.timers.register(tick, first_interval=9)", {"timers": ["tick"]}),
    ("", "def tick(): pass", None),
    ("", "bpy.data.texts.new('A').write('1')\nbpy.data.texts.new('B')", {"texts": ["A", "B"]}),
    ("text = bpy.data.texts.new('A')", "text.write('more')", {"texts": ["A"]}),
    ("text = bpy.data.texts.new('A')", "bpy.data.texts.remove(text)", None),
    ("", DRIVEN, {"drivers": ["Thing: location[1]"]}),
    (DRIVEN, "thing.driver_remove('location', 1)", None),
    (DRIVEN, "thing.name = 'Other'", None),
    (
        "material = bpy.data.materials.new('M')\nmaterial.use_nodes = True",
        "material.node_tree.nodes[0].inputs[0].driver_add('default_value', 0)",
        {"drivers": ['Shader Nodetree: nodes["Principled BSDF"].inputs[0].default_value[0]']},
    ),
    (
        DRIVEN + "bpy.context.scene.collection.objects.link(thing)\nbpy.context.view_layer.update()",
        "thing.animation_data.drivers[0].driver.is_valid = False",
        {"broken_drivers": ["Thing: location[1]"]},
    ),
    (
        READER,
        "divisor[0] = 0\nbpy.context.scene.frame_set(bpy.context.scene.frame_current + 1)",
        {"broken_drivers": ["Reader: location[0]"]},
    ),
    ("", PANEL, {"classes": ["LEFT_PT_panel"]}),
    ("", PANEL + "bpy.utils.unregister_class(LEFT_PT_panel)", None),
    ("", "class Unregistered(bpy.types.Operator): pass", None),
    ("", "import sys; sys.path.insert(0, '/left')", {"sys_path": ["/left"]}),
    ("", "import left_alone, left_pack.inner", {"modules": ["left_alone", "left_pack"]}),
    (
        "import left_alone",
        "import sys, types; sys.modules['left_alone'] = types.ModuleType('other')",
        {"modules": ["left_alone"]},
    ),
    (
        "bpy.context.preferences.is_dirty = True",
        "bpy.context.preferences.filepaths.use_scripts_auto_execute = True\n"
        "bpy.context.preferences.edit.undo_steps = 3",
        {"preferences": ["edit.undo_steps", "filepaths.use_scripts_auto_execute"]},
    ),
    (
        "",
        "import threading; threading.Thread(target=release.wait, name='waits').start()",
        {"threads": ["waits"]},
    ),
    ("", NAMELESS, {"threads": ["<thread>"]}),
    (
        "",
        "bpy.data.texts.new('A')\nbpy.ops.wm.read_homefile(use_factory_startup=True)\nbpy.data.texts.new('B')",
        None,
    ),
]


@pytest.mark.parametrize(("before", "code", "left"), ROWS, ids=[row[1][-60:] for row in ROWS])
def test_left_behind(leave: Callable[..., Left], before: str, code: str, left: Left) -> None:
    assert leave(code, before) == left


TOUCHED = [
    ("import bpy\nbpy.context.object.location.x = 1", set()),
    ("import math, numpy as np\nfrom mathutils import Vector\nfrom os import path", set()),
    ("bpy.utils.register_class(Panel)", {"classes"}),
    ("bpy.ops.preferences.addon_enable(module='a')", {"classes", "preferences"}),
    ("object.driver_add('location')", {"drivers"}),
    ("import sys; sys.modules.clear()", {"modules"}),
    ("import pipeline", EVERYTHING),
    ("def f():\n    from pipeline.rigs import build", EVERYTHING),
    ("from . import a", EVERYTHING),
    ("bpy.ops.wm.append(filename='a')", EVERYTHING),
    ("import importlib; importlib.import_module('pipeline')", EVERYTHING),
]


@pytest.mark.parametrize(("code", "parts"), TOUCHED)
def test_what_a_script_may_touch(code: str, parts: set[str]) -> None:
    assert touched(ast.parse(code), code) == parts


def test_a_file_without_drivers_is_looked_through_now_and_then(
    leave: Callable[..., Left], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    monkeypatch.setattr(aftermath, "animated", lambda: looked.append(1) or [])
    for _ in range(9):
        assert leave("thing = 1") is None
    assert len(looked) == 1


def test_a_script_that_only_reads_may_import(leave: Callable[..., Left]) -> None:
    assert leave("import left_alone", changes=False) == {"modules": ["left_alone"]}


def test_names_are_bounded(leave: Callable[..., Left]) -> None:
    found = leave("for number in range(60): bpy.data.texts.new(f'{number:02}')")
    assert found == {"texts": [f"{number:02}" for number in range(NAMES)]}


HOSTILE = """
import sys
def noted(self, *_):
    calls.append(1)
    raise AttributeError
class Hostile:
    __call__ = __getattribute__ = __eq__ = __hash__ = __str__ = __repr__ = __bool__ = noted
bpy.app.handlers.load_pre.append(Hostile())
sys.path.append(Hostile())
sys.modules['left_alone'] = Hostile()
"""


def test_no_code_of_the_script_runs_afterwards(leave: Callable[..., Left]) -> None:
    """What it leaves is named by its type: nobody could stop a method of its own any more."""
    left = leave(HOSTILE, "calls = []")
    assert left == {"handlers": ["load_pre: <Hostile>"], "sys_path": ["<Hostile>"], "modules": ["left_alone"]}
    assert calls_of(sys.modules["left_alone"]) == []


def calls_of(hostile: object) -> list[int]:
    """How often any of its methods was called."""
    found: list[int] = type(hostile).__call__.__globals__["calls"]
    return found


UNKNOWN = [
    "import functools\ntick = functools.partial(print)\nbpy.app.timers.register(tick, first_interval=9)",
    "class Clock:\n    def tick(self): pass\ntick = Clock().tick\nbpy.app.timers.register(tick, first_interval=9)",
]


@pytest.mark.parametrize("code", UNKNOWN)
def test_timers_that_cannot_be_known(leave: Callable[..., Left], code: str) -> None:
    """Blender does not list its timers: the kept list of those that are missed."""
    assert leave(code) is None
