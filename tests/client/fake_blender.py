# SPDX-License-Identifier: GPL-3.0-or-later
"""A server process with a loop in the place of Blender: `python fake_blender.py FOLDER FILE`.

The socket, the hello and the queue are the real ones. A "script" is one word that says how to end, or an expression.
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
    """What the script's word says, `PLAYS`; any other gives its arguments back. An expression is evaluated."""
    result = {"status": "ok", "stdout": "out\n", "stderr": "", "duration_ms": 1.0, "label": request.label}
    play = PLAYS.get(request.params["code"])
    if play is not None:
        result |= play(server, request.ticket)
    args = resolve(request.params["args"], request.blob)
    if request.params["code"].isalnum():
        server.reply(request.ticket, result | {"value": args})
        return
    result["stdout"] = ""
    try:
        value = eval(request.params["code"], {"args": args})
        server.reply(request.ticket, result | {"value": value, "value_repr": repr(value)})
    except ArithmeticError as error:
        server.reply(request.ticket, result | {"status": "raised", "exception": described(error)})


def described(error: Exception) -> dict[str, Any]:
    """What a script raised, in its first line."""
    what = f"{type(error).__name__}: {error}"
    traceback = f'Traceback (most recent call last):\n  File "<spindle>", line 1\n{what}\n'
    return {"type": type(error).__name__, "message": str(error), "traceback": traceback, "line": 1}


def fail(_server: Any, _ticket: int) -> dict[str, Any]:
    """Raise."""
    return {"status": "raised", "exception": described(ValueError("no"))}


def sleep(_server: Any, _ticket: int) -> dict[str, Any]:
    """Take a second."""
    time.sleep(1.0)
    return {}


def deaf(_server: Any, _ticket: int) -> dict[str, Any]:
    """Take four seconds, also when it is cancelled."""
    time.sleep(4.0)
    return {}


def count(server: Any, ticket: int) -> dict[str, Any]:
    """Write lines in pieces, and tell of progress, for 150 ms."""
    for number in (1, 2, 3):
        server.output(ticket, "stdout", f"line {number}\nand ")
        server.output(ticket, "stderr", f"warning {number}\n")
        server.progress(ticket, number, 3.0, "counting")
        time.sleep(0.05)
    return {"stdout": "line 1\nand line 2\nand line 3\nand ", "stderr": "warning 1\nwarning 2\nwarning 3\n"}


def loop(server: Any, ticket: int) -> dict[str, Any]:
    """Run until it is stopped."""
    server.output(ticket, "stdout", "begun\n")
    server.progress(ticket, 1.0, None, "looping")
    server.suspend(ticket)
    while (cause := server.stop_cause(ticket)) is None:
        time.sleep(0.01)
    return {"status": cause}


PLAYS = {play.__name__: play for play in (fail, sleep, deaf, count, loop)}


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
