# SPDX-License-Identifier: GPL-3.0-or-later
"""A server process with a loop in the place of Blender: `python fake_blender.py FOLDER FILE`.

The socket, the hello and the queue are the real ones. A "script" is one word that says how to end.
"""

import sys
import time
from typing import Any

from spindle._native import native


def main(folder: str, file: str) -> None:
    """Serve until the process is killed."""
    server = native.Server({"port": 0, "runtime_dir": folder}, arguments={}, blender="5.2.2", window=False, file=file)
    print("ready", flush=True)
    while True:
        request = server.take(0.1)
        if request is None:
            continue
        if request.method == "script.run":
            run(server, request)
        else:
            server.fail(request.ticket, "not_found", 'no object has the name "Lamp"', started=False)


def run(server: Any, request: Any) -> None:
    """`fail` raises, `sleep` takes a second, anything else gives its arguments back."""
    result = {"status": "ok", "stdout": "out\n", "stderr": "", "duration_ms": 1.0, "label": request.label}
    if request.params["code"] == "fail":
        traceback = 'Traceback (most recent call last):\n  File "<spindle>", line 1\nValueError: no\n'
        exception = {"type": "ValueError", "message": "no", "traceback": traceback, "line": 1}
        result |= {"status": "raised", "exception": exception}
    if request.params["code"] == "sleep":
        time.sleep(1.0)
    server.reply(request.ticket, result | {"value": resolve(request.params["args"], request.blob)})


def resolve(value: Any, blob: bytes) -> Any:
    """Arguments with bytes in the place of references into the request's blob."""
    if isinstance(value, list):
        return [resolve(item, blob) for item in value]
    if not isinstance(value, dict):
        return value
    if "$blob" in value:
        offset, length = value["$blob"]
        return value | {"$blob": blob[offset : offset + length]}
    return {key: resolve(item, blob) for key, item in value.items()}


if __name__ == "__main__":
    main(*sys.argv[1:])
