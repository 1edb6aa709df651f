# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender with a window and Spindle, as tests hold it: a client for its socket, and a user's hands inside it."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import spindle

INSIDE = Path(__file__).with_name("inside.py")
DEADLINE_S = 60.0

UNDO_HISTORY = """
import ctypes
bpy.context.window_manager.print_undo_steps()
ctypes.CDLL(None).fflush(None)
"""

SHOW_PANEL = """
window = bpy.context.window_manager.windows[0]
area = next(area for area in window.screen.areas if area.type == 'VIEW_3D')
area.spaces.active.show_region_ui = True
with bpy.context.temp_override(window=window, area=area):
    bpy.ops.wm.redraw_timer(type='DRAW_WIN_SWAP', iterations=1)
region = next(region for region in area.regions if region.type == 'UI')
region.active_panel_category = 'Spindle'
area.tag_redraw()
"""


class RunningBlender:
    """One process. `runtime_dir` is where its server leaves its instance file, `client_path` where `spindle` is."""

    def __init__(self, name: str, command: list[str | Path], environment: dict[str, str], folder: Path) -> None:
        self.name = name
        self.runtime_dir = folder / "runtime"
        self.client_path = str(Path(spindle.__file__).parents[1])
        self._inside = folder / "inside"
        self._log = folder / "blender.log"
        self._numbers = itertools.count()
        self._threads = ThreadPoolExecutor()
        self.runtime_dir.mkdir(mode=0o700)
        self._inside.mkdir()
        own = {
            "SPINDLE_RUNTIME_DIR": str(self.runtime_dir),
            "SPINDLE_LOG_DIR": str(folder / "log"),
            "INSIDE": str(self._inside),
        }
        self._display = environment["DISPLAY"]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--python", INSIDE],
                env={**os.environ, **environment, **own},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def connect(self) -> spindle.Blender:
        """A client of its own connection. The test's own SPINDLE_RUNTIME_DIR must be `runtime_dir`."""
        return spindle.connect(self.process.pid, name="test", attempts=1)

    def inside(self, code: str, timeout: float = DEADLINE_S) -> Any:
        """Run code in Blender as a user's click would, apart from Spindle; what it left in `result`."""
        done = self._ask(code).with_suffix(".done")
        self.eventually(done.exists, timeout)
        answer = json.loads(done.read_text())
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def undo_history(self) -> list[str]:
        """The names of the undo steps, the oldest first."""
        seen = self._log.stat().st_size
        self.inside(UNDO_HISTORY)
        return re.findall(r"name='(.*)'", self._log.read_bytes()[seen:].decode())

    def in_background(self, function: Callable[[], Any]) -> Future[Any]:
        """Call a function in a thread of its own."""
        return self._threads.submit(function)

    def eventually(self, condition: Callable[[], bool], timeout: float = DEADLINE_S) -> None:
        """Wait until it holds. Fails when the time is up or Blender has ended."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert self.process.poll() is None, f"Blender ended with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < deadline, f"not within {timeout:.0f} s:\n{self.log()}"
            time.sleep(0.01)

    def show_panel(self) -> None:
        """Open the sidebar of the 3D view at Spindle's tab."""
        self.inside(SHOW_PANEL)

    def screenshot(self, path: Path) -> Path:
        """Save a picture of the whole display, once Blender has drawn what is due."""
        self.inside("bpy.ops.wm.redraw_timer(type='DRAW_WIN_SWAP', iterations=2)")
        subprocess.run(["import", "-window", "root", path], env={**os.environ, "DISPLAY": self._display}, check=True)
        return path

    def quit(self) -> int:
        """Quit as by the menu; the exit status."""
        self._ask("bpy.ops.wm.quit_blender()")
        return self.process.wait(DEADLINE_S)

    def close(self) -> None:
        """End the process whatever its state."""
        self.process.kill()
        self.process.wait()
        self._threads.shutdown(wait=False)

    def log(self) -> str:
        """The end of what Blender has printed."""
        return self._log.read_text(errors="replace")[-4000:]

    def _ask(self, code: str) -> Path:
        draft = self._inside / f"{next(self._numbers):06}.draft"
        draft.write_text(code)
        return draft.rename(draft.with_suffix(".todo"))
