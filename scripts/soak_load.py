# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that scripts/soak runs beside Blender: everything that clients do, well and badly, in turns.

Run as `python scripts/soak_load.py SECONDS FOLDER`; it makes at least one round, and Blender must be allowed to write
into the folder. Prints how often it did what. What must succeed or fail and does not ends it with a traceback.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import socket
import struct
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import spindle

PICTURE = {"width": 64, "height": 36}


class Wire:
    """A connection by docs/protocol.md, for what the client does not do: to cancel, and to leave in the middle."""

    def __init__(self) -> None:
        (file,) = Path(os.environ["SPINDLE_RUNTIME_DIR"]).glob("*.json")
        instance = json.loads(file.read_text())
        self._socket = socket.create_connection(("127.0.0.1", instance["port"]), timeout=60)
        self._stream = self._socket.makefile("rb")
        greeting = self.read()["params"]
        nonce, client = secrets.token_bytes(32), "soak"
        name = greeting["instance"].encode()
        parts = (b"spindle1 client", bytes.fromhex(greeting["nonce"]), nonce, struct.pack(">H", instance["port"]))
        message = b"".join((*parts, struct.pack(">I", len(name)), name, client.encode()))
        proof = hmac.new(bytes.fromhex(instance["token"]), message, hashlib.sha256).hexdigest()
        about = {"id": client, "name": "soak", "version": "1"}
        self.send(0, "hello", protocol=1, client=about, nonce=nonce.hex(), proof=proof)
        assert "result" in self.read(), "hello failed"

    def send(self, number: int, method: str, **params: Any) -> None:
        """Send a request without waiting for its reply."""
        body = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()
        self.send_bytes(struct.pack(">II", len(body), 0) + body)

    def send_bytes(self, data: bytes) -> None:
        """Send anything."""
        self._socket.sendall(data)

    def read(self) -> dict[str, Any]:
        """The next message."""
        length, blob = struct.unpack(">II", self._stream.read(8))
        message: dict[str, Any] = json.loads(self._stream.read(length))
        self._stream.read(blob)
        return message

    def close(self) -> None:
        """Leave without a word."""
        self._stream.close()
        self._socket.close()


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
    refused: dict[str, tuple[str, dict[str, Any]]] = {
        "invalid_params": ("object.create", {"kind": "soul"}),
        "method_not_found": ("object.dream", {}),
        "not_found": ("object.get", {"name": "nobody"}),
        "path_not_allowed": ("file.open", {"path": "/etc/soak.blend", "discard_changes": True}),
    }
    for kind, (method, params) in refused.items():
        try:
            blender.call(method, params)
        except spindle.SpindleError as error:
            assert error.kind == kind, error
        else:
            raise AssertionError(f"{method} succeeded")


def cancels() -> None:
    """One request runs and one waits; both are cancelled, and both are answered."""
    with closing(Wire()) as wire:
        wire.send(1, "script.run", code="import time; time.sleep(0.1)")
        wire.send(2, "script.run", code="1")
        wire.send(3, "cancel", id=2)
        wire.send(4, "cancel", id=1)
        assert {wire.read()["id"] for _ in range(4)} == {1, 2, 3, 4}


def departures() -> None:
    """Clients that go with requests in flight, in the middle of a frame, and ones that are none."""
    for last in (b"", b"\0\0\0", struct.pack(">II", 1000, 0) + b"{", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 8):
        with closing(Wire()) as wire:
            wire.send(1, "script.run", code="import time; time.sleep(0.01)")
            wire.send(2, "scene.get")
            wire.send_bytes(last)


def files(blender: spindle.Blender, folder: Path) -> None:
    """Save, begin anew, load."""
    path = blender.call("file.save", {"path": str(folder / "soak.blend"), "overwrite": True})["path"]
    blender.call("file.new", {"discard_changes": True})
    blender.call("file.open", {"path": path, "discard_changes": True})


def pictures(blender: spindle.Blender) -> None:
    """A render and a view, small ones."""
    assert blender.call("render.image", {"engine": "cycles", "samples": 1, **PICTURE})["image"]
    assert blender.call("view.capture", {"shading": "solid", **PICTURE})["image"]


def main() -> None:
    """Round after round until the time is up."""
    seconds, folder = float(sys.argv[1]), Path(sys.argv[2])
    counts: Counter[str] = Counter()
    end = time.monotonic() + seconds
    while not counts or time.monotonic() < end:
        with spindle.connect(name="soak") as blender, spindle.connect(name="bystander") as other:
            blender.call("file.new", {"discard_changes": True})
            steps = (
                lambda: work(blender),
                lambda: errors(blender),
                cancels,
                departures,
                lambda: files(blender, folder),
                lambda: pictures(blender),
            )
            for name, step in zip(("work", "errors", "cancels", "departures", "files", "pictures"), steps, strict=True):
                step()
                assert other.call("ping")["pong"] and other.run("1 + 1").value == 2
                counts[name] += 1
    print(*(f"{count} x {name}" for name, count in counts.items()), sep=", ")


if __name__ == "__main__":
    main()
