# SPDX-License-Identifier: GPL-3.0-or-later
"""A server in this very process, for what can only be seen from within: a client in another thread sends scripts
through its socket, while this thread serves them as Blender's loop would."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import spindle
from spindle._native import native

from addon import interrupt, undo
from addon import native as loader
from addon.commands import TABLE
from addon.dispatcher import Dispatcher
from addon.turn import TurnPreferences


@dataclass
class Served:
    """One client of one server. `late` is how many seconds after its deadline the last script's answer came."""

    server: Any
    dispatcher: Dispatcher
    client: spindle.Blender
    threads: ThreadPoolExecutor
    late: float = 0.0

    def run(self, code: str, deadline: float = 60.0, **inputs: Any) -> spindle.ScriptResult:
        """Run a script with this deadline in seconds. Where that passes before the script's turn, try again."""
        answer = self.threads.submit(self._call, code, deadline, inputs)
        while not answer.done():
            self.dispatcher.step(0.0, 0.05, 0.02)
            # What was meant for the script and comes late would be raised here.
            assert sum(number % 3 for number in range(1000)) == 999
        return answer.result()

    def _call(self, code: str, deadline: float, inputs: dict[str, Any]) -> spindle.ScriptResult:
        while True:
            start = time.perf_counter()
            try:
                result = self.client.run(code, check=False, timeout=deadline, **inputs)
            except spindle.errors.TimedOut as expired:
                assert expired.started is False
            else:
                self.late = time.perf_counter() - start - deadline
                return result


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """A server that trusts every script, so that these come to run."""
    arguments = {"port": 0, "runtime_dir": str(folder), "log": False, "guard_level": "trusted"}
    server = native.Server({}, arguments=arguments, blender="test", window=False, file="")
    dispatcher = Dispatcher(TABLE, undo.keeper, lambda: None, TurnPreferences)
    dispatcher.attach(server)
    # A job in the background may have been started with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with (
        mock.patch.dict("os.environ", SPINDLE_RUNTIME_DIR=str(folder)),
        mock.patch.object(loader, "load", lambda: native),
    ):
        interrupt.install()
        undo.keeper.install()
        try:
            with ThreadPoolExecutor() as threads, spindle.connect(name="test") as client:
                yield Served(server, dispatcher, client, threads)
            assert signal.getsignal(signal.SIGINT) is interrupt._handle, "the scripts have left it as it was"
        finally:
            undo.keeper.uninstall()
            interrupt.uninstall()
            dispatcher.detach()
            server.stop()
            signal.signal(signal.SIGINT, before)
