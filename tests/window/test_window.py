# SPDX-License-Identifier: GPL-3.0-or-later
"""Spindle in a real window, installed as a user installs it. A few tests that prove the whole."""

from __future__ import annotations

import time

import pytest
import spindle


def test_a_script_from_outside_is_an_undo_step(blender):
    with blender.connect() as client:
        result = client.run("bpy.data.objects['Cube'].location.x = 3\nprint('moved')", label="Move the cube")
        assert (result.stdout, result.undo_step) == ("moved\n", "Spindle: test: Move the cube")
        assert "Spindle: test: Move the cube" in blender.undo_history()
        assert client.call("edit.undo")["steps"] == 1
        assert client.run("bpy.data.objects['Cube'].location.x").value == 0
        assert client.call("edit.redo")["steps"] == 1
        assert client.run("bpy.data.objects['Cube'].location.x").value == 3


HIDDEN_CHANGES = [
    ("a custom property", "bpy.context.scene['note'] = 'kept'", "bpy.context.scene.get('note')", "kept"),
    (
        "a text block",
        "t = bpy.data.texts.get('T') or bpy.data.texts.new('T'); t.clear(); t.write('kept')",
        "bpy.data.texts['T'].as_string() if 'T' in bpy.data.texts else None",
        "kept",
    ),
    (
        "a pixel",
        "bpy.data.images['I'].pixels[0] = 0.5; bpy.data.images['I'].update()",
        "round(bpy.data.images['I'].pixels[0], 2)",
        0.5,
    ),
    (
        "a marker",
        "bpy.context.scene.timeline_markers.new('kept', frame=7)",
        "[m.name for m in bpy.context.scene.timeline_markers]",
        ["kept"],
    ),
    (
        "a fake user",
        "bpy.data.materials['M'].use_fake_user = True",
        "bpy.data.materials['M'].use_fake_user",
        True,
    ),
]


@pytest.mark.parametrize(("name", "change", "look", "expected"), HIDDEN_CHANGES, ids=[row[0] for row in HIDDEN_CHANGES])
def test_a_change_that_no_handler_sees_survives_undo_and_redo(blender, name, change, look, expected):
    """Each is one named step: the user's undo takes it back, and redo brings it again."""
    with blender.connect() as client:
        client.run("i = bpy.data.images.new('I', 4, 4); i.pixels[0] = 0.0; i.pack(); bpy.data.materials.new('M')")
        before = client.run(look).value
        assert before != expected
        client.run(change, label="Hidden")
        client.run("bpy.data.objects['Cube'].location.y += 1", label="Seen")
        blender.inside("bpy.ops.ed.undo()")
        assert client.run(look).value == expected, "the undo of another change leaves it"
        blender.inside("bpy.ops.ed.undo()")
        assert client.run(look).value == before
        blender.inside("bpy.ops.ed.redo()")
        assert client.run(look).value == expected


def test_a_hundred_reads_leave_the_redo(blender):
    with blender.connect() as client:
        client.run("bpy.data.objects['Cube'].location.x = 5")
        blender.inside("bpy.ops.ed.undo()")
        for number in range(100):
            client.run(f"names = []\nfor o in bpy.data.objects:\n    names.append(o.name)\nlen(names) + {number}")
            client.call("scene.get")
        blender.inside("bpy.ops.ed.redo()")
        assert client.run("bpy.data.objects['Cube'].location.x").value == 5


def test_load_a_file_and_go_on(blender, tmp_path):
    path = str(tmp_path / "scene.blend")
    with blender.connect() as client:
        client.run("bpy.data.objects['Cube'].name = 'Renamed'")
        assert client.call("file.save", {"path": path})["path"] == path
        client.call("object.create", {"kind": "monkey"})
        with pytest.raises(spindle.SpindleError) as refusal:
            client.call("file.open", {"path": path})
        assert refusal.value.kind == "unsaved_changes"
        assert client.call("file.open", {"path": path, "discard_changes": True})["file"] == path
        names = [row["name"] for row in client.call("object.list", {"fields": ["name"]})["objects"]]
        assert "Renamed" in names and "Suzanne" not in names
        assert spindle.connect(path, name="test").server.file == path, "found by its file"


def test_a_hundred_times_off_and_on(blender):
    """MEMORY_LEAK_003, INDEX_MISSING_SHUTDOWN: threads, descriptors and timers are as at the start."""
    held = """
import os, addon_utils
def held():
    own = [t for t in os.listdir('/proc/self/task') if open(f'/proc/self/task/{t}/comm').read().startswith('spindle')]
    return [len(own), len(os.listdir('/proc/self/fd'))]
name = 'bl_ext.user_default.spindle'
"""
    blender.inside(f"{held}\naddon_utils.disable(name); addon_utils.enable(name); bpy.ops.spindle.start()")
    before = blender.inside(f"{held}\nresult = held()")
    assert before[0] == 2, "the I/O thread and the check worker"
    after = blender.inside(
        f"{held}\nfor _ in range(100):\n    addon_utils.disable(name); addon_utils.enable(name); bpy.ops.spindle.start()\n"
        "result = held()"
    )
    assert after == before
    off = blender.inside(f"{held}\naddon_utils.disable(name)\nimport sys\nresult = held()")
    assert off[0] == 0
    blender.inside(f"{held}\naddon_utils.enable(name); bpy.ops.spindle.start()")
    with blender.connect() as client:
        assert client.run("1 + 1").value == 2


SUICIDES = [
    ("read_factory_settings", "bpy.ops.wm.read_factory_settings()"),
    ("addon_disable", "bpy.ops.preferences.addon_disable(module='bl_ext.user_default.spindle')"),
    ("script.reload", "bpy.ops.script.reload()"),
    ("quit_blender", "bpy.ops.wm.quit_blender()"),
]


@pytest.mark.parametrize(("name", "code"), SUICIDES, ids=[row[0] for row in SUICIDES])
def test_a_script_that_stops_its_own_server(blender, name, code):
    """UNHANDLED_PROMISE_001: nothing hangs, and every client is told."""
    others = [blender.connect() for _ in range(2)]
    with blender.connect() as client:
        with pytest.raises(spindle.SpindleError) as error:
            client.run(code, timeout=30)
        assert error.value.kind in {"stopping", "disconnected"}, error.value
    for other in others:
        with pytest.raises(spindle.SpindleError):
            other.run("1")
        other.close()
    if name == "quit_blender":
        assert blender.process.wait(timeout=30) == 0
        return
    assert blender.inside("result = 'alive'") == "alive"
    if name == "addon_disable":
        blender.inside("bpy.ops.preferences.addon_enable(module='bl_ext.user_default.spindle')")
    if name != "read_factory_settings":
        blender.inside("bpy.ops.spindle.start.poll() and bpy.ops.spindle.start()")
        with blender.connect() as client:
            assert client.run("'again'").value == "again"


def test_a_client_of_its_own_blender_is_refused(blender):
    with blender.connect() as client:
        code = f"""
import sys
sys.path.insert(0, {blender.client_path!r})
import spindle
try:
    spindle.connect({blender.process.pid}).call('scene.get')
    answer = 'it answered'
except spindle.SpindleError as error:
    answer = error.kind
answer
"""
        assert client.run(code, timeout=30).value == "would_deadlock"


def test_quit_with_clients_connected(blender):
    with blender.connect(), blender.connect():
        assert blender.quit() == 0
    assert not list(blender.runtime_dir.iterdir()), "no file of ours is left"


def test_control_plane_while_rendering(blender):
    """HEALTH: ping and health answer while Cycles uses all cores; reads are served, changes are answered busy."""
    with blender.connect() as renderer, blender.connect() as client:
        job = blender.in_background(
            lambda: renderer.call("render.image", {"engine": "cycles", "width": 640, "height": 480, "samples": 400})
        )
        blender.eventually(lambda: client.call("health")["state"] == "busy")
        times = []
        while not job.done() and len(times) < 300:
            start = time.perf_counter()
            assert client.call("ping") == {"pong": True}
            times.append(time.perf_counter() - start)
            assert client.call("scene.get")["name"] == "Scene"
            with pytest.raises(spindle.SpindleError) as refusal:
                client.call("object.create", {"kind": "cube"})
            assert (refusal.value.kind, refusal.value.retryable) == ("busy", True)
        assert len(times) > 10
        assert job.result()["image"].startswith(b"\x89PNG")
        assert client.call("object.create", {"kind": "cube"})["undo_step"]


def test_the_panel(blender, tmp_path, pictures):
    with blender.connect() as client:
        client.run("for i in range(3): bpy.data.objects['Cube'].location.x += i", label="Move the cube")
        client.call("scene.get")
        client.run("1/0", check=False, label="A mistake")
        blender.show_panel()
        picture = blender.screenshot(pictures / f"panel-{blender.name}.png")
        assert picture.stat().st_size > 10_000
