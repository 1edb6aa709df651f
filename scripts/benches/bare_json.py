# SPDX-License-Identifier: GPL-3.0-or-later
"""What a large request without a frame costs: CPU time of the whole process, against a frame of the same size, and
against the peer's add-on in the same Blender. On Linux only, like `idle`."""

from __future__ import annotations

import json
import os
import socket
import statistics
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from machine import ScriptError
from soaking.wire import Wire

from . import blender, peer
from .measuring import Figure, Options, Row, in_turns

MIB = 1 << 20
SIZES = (1, 2, 4, 8)
"""In MiB; the last is the most that a frame may hold."""

MARGIN_BYTES = 1024
"""For what is around the padding, so that no request is above its size."""

TEXT_BYTES = 1 << 16
"""Of one text of the padding; one text of 8 MiB would be refused for its length."""

MOVED_MIB = 320
"""In one measurement, which then takes about a second: the system counts CPU time in steps of 10 ms."""

PATIENCE_S = 300.0
"""The peer takes ten seconds and more for its largest request."""

IDLE_S = 3.0
NEED_TIMES, NEED_GROWTH = 3, 1.25
"""The growth is compared with that of frames, whose bytes nobody scans: both meet the same caches and page faults."""

Ask = Callable[[], None]
"""Make one request. Raises ScriptError when its answer is another one than was to be expected."""

Costs = dict[str, list[float]]
"""Of each side and size, such as `bare 8`, the milliseconds of CPU time a request took in each round."""


def rows(options: Options) -> list[Row]:
    """The rows of this group, in milliseconds of CPU time a request. Raises ScriptError."""
    port = peer.free_port()
    with _variable("SPINDLE_COMPAT_PORT", str(port)), blender.window(options) as running:
        with _variable("SPINDLE_RUNTIME_DIR", str(running.folder / "runtime")):
            wire = Wire("bench")
        with closing(wire), _connected(port) as bare:
            asks = {
                f"{name} {size}": (make(size), MOVED_MIB // size)
                for size in SIZES
                for name, make in (("bare", partial(_bare, bare, "command", "data")), ("frame", partial(_framed, wire)))
            }
            costs = _measure(running.process.pid, asks, options.of(5, 2))
        sizes = SIZES[: options.of(len(SIZES), 2)]
        with _connected(peer.start(running).port) as other:
            # One call is long enough.
            asks = {f"peer {size}": (_bare(other, "type", "params", size), 1) for size in sizes}
            costs |= _measure(running.process.pid, asks, options.of(2, 1))
    frames = [_against_frame(costs, size) for size in SIZES]
    return [*frames, _growth(costs), *(_against_peer(costs, size) for size in sizes)]


def _against_frame(costs: Costs, size: int) -> Row:
    """What is needed is compared round by round, as what else the machine does changes from minute to minute."""
    bare, frame = costs[f"bare {size}"], costs[f"frame {size}"]
    times = statistics.median(ours / framed for ours, framed in zip(bare, frame, strict=True))
    need, met = (f"< {NEED_TIMES} times the frame's", times < NEED_TIMES) if size == max(SIZES) else ("", None)
    return Row(f"bare: {size} MiB, CPU", "ms", Figure.of(bare), "a frame of that size", Figure.of(frame), need, met)


def _growth(costs: Costs) -> Row:
    least, most = min(SIZES), max(SIZES)
    bare, frame = (
        Figure.of(large / small for small, large in zip(costs[f"{name} {least}"], costs[f"{name} {most}"], strict=True))
        for name in ("bare", "frame")
    )
    name, met = f"bare: CPU of {most} MiB over that of {least} MiB", bare.value <= NEED_GROWTH * frame.value
    return Row(name, "times", bare, "frames", frame, f"<= {NEED_GROWTH} times the frames'", met)


def _against_peer(costs: Costs, size: int) -> Row:
    ours, other = Figure.of(costs[f"bare {size}"]), Figure.of(costs[f"peer {size}"])
    return Row(f"bare: {size} MiB, CPU, beside another add-on", "ms", ours, "its ping", other)


def _measure(pid: int, asks: dict[str, tuple[Ask, int]], rounds: int) -> Costs:
    """`asks` are requests, and how many of them a measurement takes."""
    idle = _idle_share(pid)
    sides = {name: partial(_cost, pid, idle, ask, calls) for name, (ask, calls) in asks.items()}
    return {name: [value for [value] in taken] for name, taken in in_turns(rounds, sides).items()}


def _cost(pid: int, idle: float, ask: Ask, calls: int) -> list[float]:
    """Milliseconds of CPU time of a request, less what the process takes when nobody asks."""
    before, start = _cpu_seconds(pid), time.monotonic()
    for _ in range(calls):
        ask()
    used, passed = _cpu_seconds(pid) - before, time.monotonic() - start
    return [1000 * (used - idle * passed) / calls]


def _idle_share(pid: int) -> float:
    """The CPU time of the process in each second while its clients are silent."""
    before, start = _cpu_seconds(pid), time.monotonic()
    time.sleep(IDLE_S)
    return (_cpu_seconds(pid) - before) / (time.monotonic() - start)


def _cpu_seconds(pid: int) -> float:
    # After the name, which may hold spaces: utime and stime are the 14th and 15th field of all.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _framed(wire: Wire, size: int) -> Ask:
    request = {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": _padding(size)}
    body = json.dumps(request).encode()
    frame = struct.pack(">II", len(body), 0) + body

    def ask() -> None:
        wire.send_bytes(frame)
        _check(wire.read())

    return ask


def _bare(connection: socket.socket, command: str, data: str, size: int) -> Ask:
    """`command` and `data` are the names of the dialect's members."""
    message = json.dumps({command: "ping", data: _padding(size)}).encode()

    def ask() -> None:
        connection.sendall(message)
        _check(_read(connection))

    return ask


def _padding(size: int) -> dict[str, list[str]]:
    """Parameters of so many MiB."""
    texts, rest = divmod(size * MIB - MARGIN_BYTES, TEXT_BYTES)
    # With quotes and a separator each is of that size.
    return {"padding": ["x" * (TEXT_BYTES - 4)] * texts + ["x" * rest]}


def _check(reply: dict[str, Any]) -> None:
    """Spindle's `ping` has no parameters, so it refuses these once it has read them; the peer's does not look."""
    text = json.dumps(reply)
    if "invalid_params" not in text and '"pong": true' not in text:
        raise ScriptError(f"a large ping was answered by {text[:200]}")


def _read(connection: socket.socket) -> dict[str, Any]:
    heard = b""
    while chunk := connection.recv(TEXT_BYTES):
        heard += chunk
        with suppress(json.JSONDecodeError):
            reply: dict[str, Any] = json.loads(heard)
            return reply
    raise ScriptError("a connection without frames was closed in the middle")


@contextmanager
def _connected(port: int) -> Iterator[socket.socket]:
    try:
        connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    except ConnectionRefusedError as error:
        raise ScriptError(f"nobody listens on port {port}: {error}") from error
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    """Set a variable of the environment, which a new Blender and `Wire` read, for as long as this lasts."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before
