# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients do that hurts: cancel, leave in the middle, flood, not read. Each is told so or dropped, alone."""

from __future__ import annotations

import os
import struct
import time
from contextlib import closing, suppress

from .wire import Wire

LARGE_REPLY = "bytes(8_000_000)"
PART_OF_A_FRAME = struct.pack(">II", 1000, 0) + b"{"


def cancels() -> None:
    """One request runs and one waits; both are cancelled, and both are answered."""
    with closing(Wire()) as wire:
        wire.send(1, "script.run", code="import time; time.sleep(0.1)")
        wire.send(2, "script.run", code="1")
        wire.send(3, "cancel", id=2)
        wire.send(4, "cancel", id=1)
        assert wire.answers(4).keys() == {1, 2, 3, 4}


def departures() -> None:
    """Clients that go with requests in flight, in the middle of a frame, and ones that are none."""
    for last in (b"", b"\0\0\0", PART_OF_A_FRAME, b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 8):
        with closing(Wire()) as wire:
            wire.send(1, "script.run", code="import time; time.sleep(0.01)")
            wire.send(2, "scene.get")
            wire.send_bytes(last)


def haste() -> None:
    """A client that sends more than a minute's worth at once: what is too much is refused, with the time to wait."""
    limit = int(os.environ["SPINDLE_REQUESTS_PER_MINUTE"])
    with closing(Wire()) as wire:
        for number in range(limit + 1000):
            wire.send(number, "ping")
        answers = wire.answers(limit + 1000).values()
    refused = [answer["error"]["data"] for answer in answers if "error" in answer]
    assert refused and len(refused) <= 1000, len(refused)
    assert all(data["kind"] == "rate_limited" and data["retry_after_ms"] > 0 for data in refused)


def slowness() -> None:
    """A client that reads a little of much and leaves, one that reads nothing, and one that is stuck in a frame; the
    last two are dropped."""
    with closing(Wire()) as slow, closing(Wire("deaf")) as deaf, closing(Wire("stuck")) as stuck:
        stuck.send_bytes(PART_OF_A_FRAME)
        slow.send(1, "script.run", code=LARGE_REPLY)
        for number in range(12):
            # It may be dropped before it has asked for all.
            with suppress(ConnectionError):
                deaf.send(number, "script.run", code=LARGE_REPLY)
        assert slow.answers(1)[1]["result"]["status"] == "ok"
        deadline = time.monotonic() + 30
        while clients() & {"deaf", "stuck"}:
            assert time.monotonic() < deadline, "they were not dropped"
            time.sleep(0.1)
        slow.send(2, "script.run", code=LARGE_REPLY)


def clients() -> set[str]:
    """The names of the connected clients."""
    with closing(Wire()) as wire:
        wire.send(1, "stats")
        return {client["name"] for client in wire.answers(1)[1]["result"]["clients"]}
