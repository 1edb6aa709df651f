# SPDX-License-Identifier: GPL-3.0-or-later
"""The headless loop: every method once, signals, and clients that come and go."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import spindle


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_it_in_order(headless: Any, number: signal.Signals) -> None:
    """UNHANDLED_PROMISE_001: clients are told, the file is removed, the exit status is 0."""
    with headless.connect() as client:
        assert client.run("1").value == 1
        headless.process.send_signal(number)
        assert headless.process.wait(timeout=20) == 0
        with pytest.raises(spindle.SpindleError):
            client.run("1")
    assert not list(headless.runtime_dir.iterdir())


def test_a_signal_during_a_script(headless: Any) -> None:
    """The script ends first: it is not what the user's Ctrl-C was for, and its answer is not lost."""
    with headless.connect() as client:
        answers: list[Any] = []
        worker = threading.Thread(
            target=lambda: answers.append(client.run("import time; time.sleep(1); 'slept'").value)
        )
        worker.start()
        with headless.connect() as other:
            while other.call("health")["state"] != "busy":
                time.sleep(0.01)
        headless.process.send_signal(signal.SIGTERM)
        worker.join(timeout=20)
        assert answers == ["slept"]
    assert headless.process.wait(timeout=20) == 0


def test_a_scene_from_nothing(blender: spindle.Blender, tmp_path: Path) -> None:
    """The main job, end to end: objects, a material, properties, an operator, pictures, a file."""
    created = blender.call("object.create", {"kind": "torus", "name": "Ring", "location": [0, 0, 1]})
    assert created["object"]["name"] == "Ring" and created["undo_step"]
    blender.call("material.set", {"name": "Gold", "object": "Ring", "base_color": [1, 0.8, 0.3], "metallic": 1})
    block = {"collection": "objects", "name": "Ring"}
    blender.call("data.set", {"block": block, "path": "location[2]", "value": 2.5})
    assert blender.call("data.get", {"block": block, "path": "location"})["value"] == [0.0, 0.0, 2.5]
    blender.call("operator.call", {"operator": "mesh.primitive_cube_add", "properties": {"size": 1.0}})
    names = [row["name"] for row in blender.call("object.list", {"fields": ["name"]})["objects"]]
    assert names == ["Camera", "Cube", "Cube.001", "Light", "Ring"]
    for method, params in [
        ("view.capture", {"width": 64, "height": 48}),
        ("view.capture", {"width": 64, "height": 48, "from": "front", "objects": ["Ring"]}),
        ("render.image", {"engine": "cycles", "width": 64, "height": 48, "samples": 1}),
    ]:
        picture = blender.call(method, params)
        assert bytes(picture["image"]).startswith(b"\x89PNG") and (picture["width"], picture["height"]) == (64, 48)
    path = str(tmp_path / "ring.blend")
    assert blender.call("file.save", {"path": path})["bytes"] > 10_000
    blender.call("object.delete", {"names": ["Ring"]})
    with pytest.raises(spindle.errors.NotFound):
        blender.call("object.get", {"name": "Ring"})
    assert blender.call("file.open", {"path": path, "discard_changes": True})["file"] == path
    assert blender.call("object.get", {"name": "Ring"})["object"]["materials"] == ["Gold"]


def test_edit_groups(blender: spindle.Blender) -> None:
    with pytest.raises(spindle.errors.CommandFailed):
        blender.call("edit.group_end")
    blender.call("edit.group_begin", {"label": "Arrange"})
    for number in range(3):
        blender.call("object.set", {"name": "Cube", "location": [number + 1, 0, 0]})
        time.sleep(0.15)
    assert blender.call("edit.group_end") == {"label": "Arrange", "changes": 3}
    assert blender.call("edit.undo", {"steps": 1})["steps"] == 1
    assert blender.call("object.get", {"name": "Cube"})["object"]["location"] == [0.0, 0.0, 0.0]


def test_a_group_ends_with_its_client(blender: spindle.Blender, shared: Any) -> None:
    leave = f"""
import spindle
client = spindle.connect({shared.process.pid})
client.call("edit.group_begin", {{"label": "Left open"}})
client.call("object.set", {{"name": "Cube", "location": [5, 0, 0]}})
"""
    # A session is a process's, so the one that leaves is another process.
    subprocess.run([sys.executable, "-c", leave], check=True)
    time.sleep(0.5)
    assert blender.call("edit.undo")["steps"] == 1, "what it changed is a step, without anybody's doing"
    assert blender.call("object.get", {"name": "Cube"})["object"]["location"] == [0.0, 0.0, 0.0]


def test_clients_get_their_own_replies(shared: Any, blender: spindle.Blender) -> None:
    wrong: list[Any] = []

    def work(number: int) -> None:
        with shared.connect(f"client {number}") as client:
            for step in range(50):
                value = client.run("args['n']", n=number * 1000 + step).value
                if value != number * 1000 + step:
                    wrong.append(value)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_every_method_answers_its_schema(blender: spindle.Blender) -> None:
    """What `methods` says of a result is what comes."""
    schemas = {method["name"]: method["result"] for method in blender.call("methods")["methods"]}
    for method, params in [
        ("ping", {}),
        ("health", {}),
        ("scene.get", {}),
        ("object.list", {}),
        ("object.get", {"name": "Cube"}),
        ("data.get", {"block": {"collection": "scenes", "name": "Scene"}, "path": "frame_end"}),
        ("docs.get", {"name": "ShaderNodeMath"}),
        ("docs.search", {"query": "add cube"}),
        ("edit.undo", {}),
    ]:
        result = blender.call(method, params)
        schema = schemas[method]
        assert set(schema.get("required", [])) <= set(result) <= set(schema["properties"]), method
