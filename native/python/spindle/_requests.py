# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be asked of Blender: each request with its signature, once for the blocking and the asyncio client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, NotRequired, TypedDict, TypeVar, Unpack, overload

from ._results import Animation, CheckResult, JobStatus, Picture, Scene, ScriptResult

if TYPE_CHECKING:
    from ._job import Job

T = TypeVar("T")

OnOutput = Callable[[str, str], None]
"""Told `("stdout" or "stderr", text)`."""

OnProgress = Callable[[float, float | None, str], None]
"""Told `(done, total or None, message)`."""

Engine = Literal["cycles", "eevee", "workbench"]

Side = Literal["front", "back", "left", "right", "top", "bottom", "three_quarter"]

LONGEST_WAIT = 600.0
"""Seconds that one `job.wait` may take."""


class Options(TypedDict):
    """What may be chosen for any request; `Blender.call` tells what each means."""

    timeout: NotRequired[float | None]
    label: NotRequired[str | None]
    effect: NotRequired[Literal["read", "write"] | None]
    idempotency_key: NotRequired[str | None]
    max_age: NotRequired[float | None]
    on_output: NotRequired[OnOutput | None]
    on_progress: NotRequired[OnProgress | None]


class RenderSettings(TypedDict):
    """What is left out is as the scene says.

    width, height: pixels, 4 to 16384. samples: per pixel. camera: an object's name.
    """

    engine: NotRequired[Engine]
    width: NotRequired[int]
    height: NotRequired[int]
    samples: NotRequired[int]
    camera: NotRequired[str]


@dataclass(frozen=True)
class Request(Generic[T]):
    """A request, and how its result is read."""

    method: str
    params: dict[str, Any]
    options: Mapping[str, Any]
    read: Callable[[dict[str, Any]], T]
    detach: bool = False


def same(result: dict[str, Any]) -> dict[str, Any]:
    """The result as it came."""
    return result


def call(
    method: str, params: Mapping[str, Any] | None = None, *, detach: bool = False, **options: Unpack[Options]
) -> Request[dict[str, Any]]:
    """Call any method, such as `"scene.get"`; docs/methods.md lists them.

    params: plain values, bytes-like objects and numpy arrays; NaN and infinity are refused.
    timeout: seconds from receipt to reply; the server's deadline for the method when None.
    label: what people read in the undo history, 1 to 64 characters.
    effect: what is claimed about a script's changes.
    detach: return `{"job": id}` at once; `job(id)` makes an object of it.
    idempotency_key: a repeat with the same key gets the first outcome, never a second run, also after a reconnect.
    max_age: of a read-only method, a kept answer of at most so many seconds will do, also while Blender renders;
        the result then has a member `cached`, `{"age_ms": …, "moved": …}`.
    on_output: told `("stdout" or "stderr", text)` while a script runs; not of one that ends within about 20 ms.
    on_progress: told `(done, total or None, message)` while a script or a render runs.

    Returns the result, with `bytes`, memoryviews and arrays in the place of blob references.
    Raises `SpindleError` by its subclasses; see `spindle.errors`.
    """
    return Request(method, dict(params or {}), {**options, "detach": detach}, same)


@overload
def run(
    code: str,
    /,
    args: Mapping[str, Any] | None = None,
    *,
    detach: Literal[False] = False,
    check: bool = True,
    name: str | None = None,
    checkpoint: bool = False,
    timeout: float | None = None,
    label: str | None = None,
    effect: Literal["read", "write"] | None = None,
    idempotency_key: str | None = None,
    on_output: OnOutput | None = None,
    on_progress: OnProgress | None = None,
    **inputs: Any,
) -> Request[ScriptResult]: ...
@overload
def run(
    code: str,
    /,
    args: Mapping[str, Any] | None = None,
    *,
    detach: Literal[True],
    check: bool = True,
    name: str | None = None,
    checkpoint: bool = False,
    timeout: float | None = None,
    label: str | None = None,
    effect: Literal["read", "write"] | None = None,
    idempotency_key: str | None = None,
    **inputs: Any,
) -> Request[Job[ScriptResult]]: ...
def run(
    code: str,
    /,
    args: Mapping[str, Any] | None = None,
    *,
    detach: bool = False,
    check: bool = True,
    name: str | None = None,
    checkpoint: bool = False,
    timeout: float | None = None,
    label: str | None = None,
    effect: Literal["read", "write"] | None = None,
    idempotency_key: str | None = None,
    on_output: OnOutput | None = None,
    on_progress: OnProgress | None = None,
    **inputs: Any,
) -> Request[Any]:
    """Run Python in Blender, in a fresh `__main__` where `bpy` and the dictionary `args` are predefined.

    args, inputs: what the script finds in `args`; keywords are the short form, for names other than those here.
    detach: return a `Job` at once.
    check: whether a script that raises, runs out of time or is cancelled raises `ScriptFailed` here.
    name: the file name in tracebacks.
    checkpoint: save a copy of the file first, to which `edit.restore` can return.
    timeout: seconds after which the script is stopped; the server's setting when None.
    on_output, on_progress: as in `call`; a script reports progress by `spindle.progress(done, total, message)`.
    label, effect, idempotency_key: as in `call`.

    Raises `ScriptRefused`, with `findings`, where Blender's guard refuses it; nothing ran then.
    """
    params: dict[str, Any] = {"code": code, "args": {**(args or {}), **inputs}}
    if name is not None:
        params["name"] = name
    if checkpoint:
        params["checkpoint"] = True
    options = {
        "timeout": timeout,
        "label": label,
        "effect": effect,
        "idempotency_key": idempotency_key,
        "on_output": on_output,
        "on_progress": on_progress,
    }
    read = ScriptResult._read_checked if check else ScriptResult._read
    return Request("script.run", params, options, read, detach)


def check(code: str, /) -> Request[CheckResult]:
    """What Blender's guard says of a script, without running it. Answered at once, whatever Blender does."""
    return Request("script.check", {"code": code}, {}, CheckResult._read)


def scene(**options: Unpack[Options]) -> Request[Scene]:
    """The open scene at a glance: objects by type, camera, frames, render settings."""
    return Request("scene.get", {}, options, Scene._read)


def object_(name: str, /, fields: Sequence[str] | None = None, **options: Unpack[Options]) -> Request[dict[str, Any]]:
    """One object, as a dictionary. Raises `NotFound`.

    fields: what to tell, everything when None. `location`, `dimensions` and `bounds` are in Blender units, `rotation`
        is Euler angles XYZ in radians, `matrix` four rows of four; docs/methods.md lists all.
    """
    params: dict[str, Any] = {"name": name}
    if fields is not None:
        params["fields"] = list(fields)
    return Request("object.get", params, options, lambda result: dict(result["object"]))


def object_pages(
    name: str | None = None,
    *,
    types: Sequence[str] | None = None,
    collection: str | None = None,
    selected: bool | None = None,
    visible: bool | None = None,
    fields: Sequence[str] | None = None,
    **options: Unpack[Options],
) -> ObjectPages:
    """The objects of the scene that fit, in order of their names, as dictionaries.

    name: with `*`, `?` and `[…]` as in file names; letter case counts.
    types: such as `["MESH", "LIGHT"]`.
    collection: in this collection or below it.
    fields: what to tell of each; `name`, `type` and `location` (Blender units) when None.
    """
    wanted = {"name": name, "types": types, "collection": collection, "selected": selected, "visible": visible}
    given = {key: value for key, value in wanted.items() if value is not None}
    params: dict[str, Any] = {"filter": given, "limit": 1000}
    if fields is not None:
        params["fields"] = list(fields)
    return ObjectPages(params, options)


class ObjectPages:
    """The pages of a list of objects: `for request in pages` until `add` has had the last."""

    def __init__(self, params: dict[str, Any], options: Options) -> None:
        self._params = params
        self._options = options
        self.objects: list[dict[str, Any]] = []
        self._cursor: str | None = None

    def __iter__(self) -> Iterator[Request[dict[str, Any]]]:
        yield Request("object.list", self._params, self._options, same)
        while self._cursor is not None:
            yield Request("object.list", {**self._params, "cursor": self._cursor}, self._options, same)

    def add(self, page: dict[str, Any]) -> None:
        """Keep what an answer holds."""
        self.objects += page["objects"]
        self._cursor = page["next_cursor"]


@overload
def render(
    *,
    frame: int | None = None,
    detach: Literal[False] = False,
    timeout: float | None = None,
    label: str | None = None,
    on_progress: OnProgress | None = None,
    **settings: Unpack[RenderSettings],
) -> Request[Picture]: ...
@overload
def render(
    *,
    frame: int | None = None,
    detach: Literal[True],
    timeout: float | None = None,
    label: str | None = None,
    **settings: Unpack[RenderSettings],
) -> Request[Job[Picture]]: ...
def render(
    *,
    frame: int | None = None,
    detach: bool = False,
    timeout: float | None = None,
    label: str | None = None,
    on_progress: OnProgress | None = None,
    **settings: Unpack[RenderSettings],
) -> Request[Any]:
    """Render a picture. With a window Blender stays usable; headless, it does nothing else meanwhile.

    frame: the current one when None.
    engine, width, height (pixels), samples (per pixel), camera (its name): as the scene says when left out.
    timeout: seconds; as long as it takes when None.
    detach: return a `Job` at once.
    on_progress: told `(samples done, samples in all, Blender's line)`.
    """
    params: dict[str, Any] = {**settings}
    if frame is not None:
        params["frame"] = frame
    options = {"timeout": timeout, "label": label, "on_progress": on_progress}
    return Request("render.image", params, options, Picture._read_render, detach)


@overload
def render_animation(
    folder: str,
    /,
    frames: tuple[int, int] | None = None,
    *,
    step: int = 1,
    prefix: str | None = None,
    detach: Literal[False] = False,
    timeout: float | None = None,
    label: str | None = None,
    on_progress: OnProgress | None = None,
    **settings: Unpack[RenderSettings],
) -> Request[Animation]: ...
@overload
def render_animation(
    folder: str,
    /,
    frames: tuple[int, int] | None = None,
    *,
    step: int = 1,
    prefix: str | None = None,
    detach: Literal[True],
    timeout: float | None = None,
    label: str | None = None,
    **settings: Unpack[RenderSettings],
) -> Request[Job[Animation]]: ...
def render_animation(
    folder: str,
    /,
    frames: tuple[int, int] | None = None,
    *,
    step: int = 1,
    prefix: str | None = None,
    detach: bool = False,
    timeout: float | None = None,
    label: str | None = None,
    on_progress: OnProgress | None = None,
    **settings: Unpack[RenderSettings],
) -> Request[Any]:
    """Render frames into PNG files.

    folder: where Blender writes them, in an allowed folder such as `"//frames"`, beside the .blend file; made at need.
    frames: the first and the last, the scene's own when None; step: every so many.
    prefix: what each file's name begins with, before the frame's number.
    on_progress: told `(frames done, frames in all, Blender's line)`.
    The rest is as in `render`.
    """
    params: dict[str, Any] = {"folder": folder, **settings}
    if frames is not None:
        params["frame_start"], params["frame_end"] = frames
    if step != 1:
        params["frame_step"] = step
    if prefix is not None:
        params["prefix"] = prefix
    options = {"timeout": timeout, "label": label, "on_progress": on_progress}
    return Request("render.animation", params, options, Animation._read, detach)


def screenshot(
    *,
    width: int = 960,
    height: int = 540,
    camera: bool = False,
    side: Side | None = None,
    objects: Sequence[str] | None = None,
    shading: Literal["wireframe", "solid", "material", "rendered"] | None = None,
    overlays: bool = False,
    **options: Unpack[Options],
) -> Request[Picture]:
    """What the 3D viewport shows; without a window, a quick render that looks like it.

    width, height: pixels, 16 to 8192.
    camera: look through the active camera, not as the viewport does.
    side: frame all that is visible from there, not as the viewport does; `objects`: only these, by name.
    shading: as the viewport's when None.
    overlays: draw grid and outlines too.
    """
    params: dict[str, Any] = {"width": width, "height": height, "overlays": overlays}
    if camera or side is not None:
        params["from"] = "camera" if camera else side
    if objects is not None:
        params["objects"] = list(objects)
    if shading is not None:
        params["shading"] = shading
    return Request("view.capture", params, options, Picture._read_capture)


def undo(steps: int = 1) -> Request[int]:
    """Undo, as the user would; how many steps that were, fewer where the history ends."""
    return Request("edit.undo", {"steps": steps}, {}, _steps)


def redo(steps: int = 1) -> Request[int]:
    """Redo, as the user would; how many steps that were, fewer where the history ends."""
    return Request("edit.redo", {"steps": steps}, {}, _steps)


def _steps(result: dict[str, Any]) -> int:
    return int(result["steps"])


def group_begin(label: str, timeout: float) -> Request[dict[str, Any]]:
    """From now on, this client's changes are one undo step."""
    return Request("edit.group_begin", {"label": label, "timeout_ms": round(timeout * 1000)}, {}, same)


def group_end() -> Request[dict[str, Any]]:
    """Push the group's undo step."""
    return Request("edit.group_end", {}, {}, same)


def jobs() -> Request[list[JobStatus]]:
    """This program's jobs, oldest first, those that have ended included while they are kept."""
    return Request("job.list", {}, {}, lambda result: [JobStatus._read(job) for job in result["jobs"]])


def job_get(job: str) -> Request[dict[str, Any]]:
    """A job as it is now."""
    return Request("job.get", {"job": job}, {}, same)


def job_wait(
    job: str, seconds: float, on_output: OnOutput | None, on_progress: OnProgress | None
) -> Request[dict[str, Any]]:
    """A job at its end, or after so many seconds."""
    most = max(0.0, min(seconds, LONGEST_WAIT))
    # A control method has no deadline; this one is the client's, for a server that does not answer.
    options = {"timeout": most + 30.0, "on_output": on_output, "on_progress": on_progress}
    return Request("job.wait", {"job": job, "timeout_ms": round(most * 1000)}, options, same)


def job_cancel(job: str) -> Request[str]:
    """Cancel a job: `dequeued`, `interrupting`, `not_interruptible` or `finished`."""
    return Request("job.cancel", {"job": job}, {}, lambda result: str(result["outcome"]))
