# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client does that the client library offers. What must succeed or fail and does not is an AssertionError."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import spindle

from .wire import Wire

PICTURE = {"engine": "cycles", "samples": 1, "width": 64, "height": 36}
TALK = "import time\nfor number in range(5):\n    print(number); spindle.progress(number, 5); time.sleep(0.03)"


def refused(kind: str, request: Callable[[], object]) -> None:
    """Check that a request is refused in this way."""
    try:
        request()
    except spindle.SpindleError as error:
        assert error.kind == kind, error
    else:
        raise AssertionError(f"{kind} was expected")


def work(blender: spindle.Blender) -> None:
    """Scripts and typed requests that succeed."""
    for number in range(20):
        cube = blender.call("object.create", {"kind": "cube", "name": "Soak", "location": [number, 0, 0]})
        name = cube["object"]["name"]
        assert blender.run("bpy.data.objects[args['name']].location.x", {"name": name}).value == number
        blender.call("object.set", {"name": name, "color": [1, 0, 0]})
    data = bytes(1_000_000)
    assert blender.run("len(args['data'])", data=data).value == len(data)
    blender.call("edit.undo", {"steps": 2})
    blender.call("edit.redo")


def errors(blender: spindle.Blender) -> None:
    """Scripts that end badly, and requests that are refused."""
    for code in ("1 / 0", "raise SystemExit(3)", "def", "import time\nwhile True: raise KeyboardInterrupt"):
        assert blender.run(code, check=False).status == "raised", code
    wrong: dict[str, tuple[str, dict[str, Any]]] = {
        "invalid_params": ("object.create", {"kind": "soul"}),
        "method_not_found": ("object.dream", {}),
        "not_found": ("object.get", {"name": "nobody"}),
        "path_not_allowed": ("file.open", {"path": "/etc/soak.blend", "discard_changes": True}),
    }
    for kind, (method, params) in wrong.items():
        refused(kind, lambda method=method, params=params: blender.call(method, params))  # type: ignore[misc]


def jobs(blender: spindle.Blender) -> None:
    """Detached requests: one ends, one is cancelled while it waits. A key runs once, also after a reconnect."""

    def detach(code: str) -> dict[str, str]:
        return {"job": blender.call("script.run", {"code": code}, detach=True)["job"]}

    slow, waiting = detach("import time; time.sleep(0.1); 2"), detach("3")
    blender.call("job.cancel", waiting)
    assert blender.call("job.wait", slow)["result"]["value"] == 2
    assert blender.call("job.wait", waiting)["state"] == "done"
    key, cube = secrets.token_hex(8), {"kind": "cube", "name": "Once"}
    first = blender.call("object.create", cube, idempotency_key=key)
    with spindle.connect(name="soak") as again:
        assert again.call("object.create", cube, idempotency_key=key) == first
        other = {"kind": "cube", "name": "Twice"}
        refused("idempotency_conflict", lambda: again.call("object.create", other, idempotency_key=key))


def live(blender: spindle.Blender) -> None:
    """Output and progress arrive while a script runs."""
    parts: list[str] = []
    progress: list[float] = []
    result = blender.run(
        TALK, on_output=lambda _, text: parts.append(text), on_progress=lambda done, *_: progress.append(done)
    )
    assert "".join(parts) == result.stdout and progress == sorted(progress) and progress, (parts, progress)


def cache(blender: spindle.Blender) -> None:
    """A kept answer, and one that is older than the scene."""
    blender.call("scene.get")
    assert "cached" in blender.call("scene.get", max_age=60)
    blender.call("object.create", {"kind": "cube"})
    assert blender.call("scene.get", max_age=60)["cached"]["moved"]
    assert blender.call("cache.clear", {"containing": "scene.get"})["cleared"]


def watch(blender: spindle.Blender) -> None:
    """What monitoring asks."""
    assert blender.call("health")["healthy"]
    assert blender.call("limits")["limits"] and "spindle_requests_total" in blender.call("metrics")["text"]
    assert any(client["name"] == "soak" for client in blender.call("stats")["clients"])


def files(blender: spindle.Blender, folder: Path) -> None:
    """Save, begin anew, load."""
    path = blender.call("file.save", {"path": str(folder / "soak.blend"), "overwrite": True})["path"]
    blender.call("file.new", {"discard_changes": True})
    blender.call("file.open", {"path": path, "discard_changes": True})


def pictures(blender: spindle.Blender, folder: Path) -> None:
    """A render, a view, three frames, and some that are cancelled."""
    assert blender.call("render.image", PICTURE)["image"]
    assert blender.call("view.capture", {"shading": "solid", "width": 64, "height": 36})["image"]
    frames = {"folder": str(folder / "frames"), **PICTURE}
    assert len(blender.call("render.animation", {**frames, "frame_start": 1, "frame_end": 3})["files"]) == 3
    with closing(Wire()) as wire:
        wire.send(1, "render.animation", **frames, frame_start=1, frame_end=1000)
        assert wire.read()["method"] == "progress"
        wire.send(2, "cancel", id=1)
        assert wire.answers(2)[1]["error"]["data"]["kind"] == "cancelled"
