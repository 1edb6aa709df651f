# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection by docs/protocol.md, for what the client library does not do: to cancel, to flood, and to leave in the
middle."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import socket
import struct
from pathlib import Path
from typing import Any


class Wire:
    """A connection of a client of its own, with a name for people."""

    def __init__(self, name: str = "soak") -> None:
        (file,) = Path(os.environ["SPINDLE_RUNTIME_DIR"]).glob("*.json")
        instance = json.loads(file.read_text())
        self._socket = socket.create_connection(("127.0.0.1", instance["port"]), timeout=60)
        self._stream = self._socket.makefile("rb")
        greeting = self.read()["params"]
        nonce, client = secrets.token_bytes(32), secrets.token_hex(16)
        server = greeting["instance"].encode()
        parts = (b"spindle1 client", bytes.fromhex(greeting["nonce"]), nonce, struct.pack(">H", instance["port"]))
        message = b"".join((*parts, struct.pack(">I", len(server)), server, client.encode()))
        proof = hmac.new(bytes.fromhex(instance["token"]), message, hashlib.sha256).hexdigest()
        about = {"id": client, "name": name, "version": "1"}
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
        """The next message, without its blob."""
        length, blob = struct.unpack(">II", self._stream.read(8))
        message: dict[str, Any] = json.loads(self._stream.read(length))
        self._stream.read(blob)
        return message

    def answers(self, count: int) -> dict[int, dict[str, Any]]:
        """So many answers by their ids; what is told meanwhile is left out."""
        answers: dict[int, dict[str, Any]] = {}
        while len(answers) < count:
            message = self.read()
            if "method" not in message:
                answers[message["id"]] = message
        return answers

    def close(self) -> None:
        """Leave without a word."""
        self._stream.close()
        self._socket.close()
