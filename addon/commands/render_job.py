# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a render: without a window to its end, with one as a job of Blender's that leaves the window usable."""

import re
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import bpy

from ..errors import CommandError
from ..turn import Turn
from .render_scene import copy_scene, drop_copy, in_scene, is_copy, render_result

Report = Callable[[float, float | None, str], None]
"""Told what is done, of how much if that is known, and what Blender is at."""

# "Sample 12/64" of Cycles, "Rendering 12 / 64 samples" of EEVEE in any language, and "Rendered 3/6 Tiles, Sample 1/64".
_DONE_OF_TOTAL = re.compile(r"(\d+) ?/ ?(\d+)")

SWITCH_S = 0.25
"""How long a thread may hold Python while another one waits for it and a job renders: longer than any panel draws."""

STOPPED = {
    "cancelled": "the render was cancelled before its end",
    "timed_out": "the deadline passed before the render's end; give it longer, fewer samples or a smaller size",
    None: "the render stopped before its end",
}
"""By the turn's `stop_cause`."""


def render(turn: Turn, name: str, report: Report) -> Generator[None, None, None]:
    """Render the scene `name` into Blender's Render Result.

    `report` counts samples, or tiles where Blender renders in tiles, and begins anew for each view layer. It is called
    on whatever thread renders. A render that is stopped fails as `cancelled` or `timed_out`, or closes this generator.
    """
    meter = _Meter(report)
    if bpy.app.background:
        _render_blocking(turn, name, meter)
    else:
        yield from _render_job(turn, name, meter)


def save_png(name: str, target: Path) -> None:
    """Write the Render Result with the settings of the scene `name`; the file is there as a whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".spindle-", dir=target.parent) as folder:
        draft = Path(folder, "render.png")
        _save(name, draft)
        draft.replace(target)


def png_bytes(name: str) -> bytes:
    """The same as bytes."""
    with tempfile.TemporaryDirectory(prefix="spindle-") as folder:
        file = Path(folder, "render.png")
        _save(name, file)
        return file.read_bytes()


def _save(name: str, file: Path) -> None:
    result = render_result()
    if result is None:
        raise CommandError("command_failed", "the render made no picture", started=True)
    # Not by the operator's `write_still`, which would expand "#" in the path.
    result.save_render(str(file), scene=bpy.data.scenes[name])


class _Meter:
    """Reads the lines that Blender writes about a render, whose last part says what it is at."""

    def __init__(self, report: Report) -> None:
        self.last_line = ""
        self._report = report
        self._done: tuple[float, float | None] = (0.0, None)

    def read(self, line: str, *_: object) -> None:
        self.last_line = line
        text = line.rpartition(" | ")[2].strip()
        if numbers := _DONE_OF_TOTAL.search(text):
            self._done = (float(numbers[1]), float(numbers[2]))
        self._report(*self._done, text)


@contextmanager
def _handlers(functions: dict[str, Callable[..., None]]) -> Iterator[None]:
    """Have Blender call each function at the event of its name."""
    for event, function in functions.items():
        getattr(bpy.app.handlers, event).append(function)
    try:
        yield
    finally:
        for event, function in functions.items():
            # A file load has already removed them.
            with suppress(ValueError):
                getattr(bpy.app.handlers, event).remove(function)


def _stopped(turn: Turn, meter: _Meter) -> CommandError:
    cause = turn.stop_cause()
    said = f"; Blender's last line: {meter.last_line}" if meter.last_line and cause is None else ""
    return CommandError(cause or "command_failed", STOPPED[cause] + said, started=True)


def _render_blocking(turn: Turn, name: str, meter: _Meter) -> None:
    with ExitStack() as rendering:

        def begin(scene: bpy.types.Scene, *_: object) -> None:
            # Blender forgets a break that comes before this.
            if scene.name == name:
                rendering.enter_context(turn.breakable())

        handlers = _handlers({"render_init": begin, "render_stats": meter.read})
        with handlers, in_scene(bpy.data.scenes[name]):
            outcome = bpy.ops.render.render()
    if outcome != {"FINISHED"}:
        raise _stopped(turn, meter)


@contextmanager
def _whole_draws() -> Iterator[None]:
    """Keep the render's thread from running Python in the middle of a panel's drawing.

    One flag of Blender's says whether Python may write. It is off while a panel draws, and each call of Python puts
    back what it found: the engine's `render`, begun in mid-draw, puts back "off" long after the draw, and no script
    can change anything until Blender starts anew (4.3, on a machine with much to do: after some twenty renders).
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


class _Watch:
    """What becomes of a render job. Handlers run on the render thread and only set members."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.outcome: str | None = None
        self.handlers: dict[str, Callable[..., None]] = {
            "render_complete": self._complete,
            "render_cancel": self._cancel,
            # These stop the job, and 4.3 then calls it complete: an undo, a file load, a render of another scene.
            "undo_pre": self._stop,
            "redo_pre": self._stop,
            "load_pre": self._stop,
            "render_init": self._other,
        }

    def _complete(self, scene: bpy.types.Scene, *_: object) -> None:
        if scene.name == self.name and self.outcome is None:
            self.outcome = "complete"

    def _cancel(self, scene: bpy.types.Scene, *_: object) -> None:
        if scene.name == self.name:
            self.outcome = "cancel"

    def _other(self, scene: bpy.types.Scene, *_: object) -> None:
        if scene.name != self.name:
            self.outcome = "cancel"

    def _stop(self, *_: object) -> None:
        self.outcome = "cancel"


def _render_job(turn: Turn, name: str, meter: _Meter) -> Generator[None, None, None]:
    """Render in a job of Blender's and yield until it has ended; closing the generator stops it."""
    watch = _Watch(name)
    with _whole_draws(), _handlers(watch.handlers | {"render_stats": meter.read}):
        try:
            _start_job(name)
            while watch.outcome != "cancel" and bpy.app.is_job_running("RENDER"):
                yield
        finally:
            # A copy's job ends when the copy is deleted.
            if watch.outcome is None and name in bpy.data.scenes and not is_copy(name):
                _stop_job(bpy.data.scenes[name])
    if watch.outcome != "complete" or name not in bpy.data.scenes:
        raise _stopped(turn, meter)


def _stop_job(scene: bpy.types.Scene) -> None:
    """Stop the render job of a scene that has to stay, and wait for its end.

    Blender stops every job when it starts a render. So a copy starts one of a few pixels, and is deleted at once.
    """
    if not bpy.app.is_job_running("RENDER"):
        return
    name = copy_scene(scene).name
    try:
        other = bpy.data.scenes[name]
        other.render.resolution_x = other.render.resolution_y = 4
        other.render.use_compositing = other.render.use_sequencer = False
        with suppress(TypeError):
            other.render.engine = "CYCLES"
            other.cycles.samples = 1
        _start_job(name)
    finally:
        drop_copy(name)


def _start_job(name: str) -> None:
    """Start the job without opening a window for it, and leave the preferences as they were."""
    preferences = bpy.context.preferences
    view = preferences.view
    display, dirty = view.render_display_type, preferences.is_dirty
    view.render_display_type = "NONE"
    try:
        with in_scene(bpy.data.scenes[name]):
            outcome = bpy.ops.render.render("INVOKE_DEFAULT")
    finally:
        view.render_display_type = display
        preferences.is_dirty = dirty
    if outcome != {"RUNNING_MODAL"}:
        raise CommandError("command_failed", "Blender did not start the render")
