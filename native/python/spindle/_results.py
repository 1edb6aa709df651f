# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender answers, as Python objects."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal, Self

from ._finding import Finding, known
from .errors import ScriptFailed


@dataclass(frozen=True)
class Server:
    """A running Blender with Spindle; `file` is empty for an unsaved one."""

    instance: str
    port: int
    pid: int
    version: str
    blender: str
    window: bool
    file: str


@dataclass(frozen=True)
class Progress:
    """How far something has come, in units of whoever reports it: frames, samples, files.

    total: what there is to do in all; None where that is not known.
    message: for people; may be empty.
    """

    done: float
    total: float | None = None
    message: str = ""

    @classmethod
    def _read(cls, told: dict[str, Any] | None) -> Progress | None:
        return None if told is None else cls(**known(cls, told))


@dataclass(frozen=True)
class CheckResult:
    """What would become of a script now.

    verdict: whether it runs, waits for the user, is refused, or is no Python.
    findings: what the guard found, at most 50, in the order of the lines; `findings_omitted` counts the rest.
    unreadable: `line`, `column` and `message` of what could not be read; None for Python.
    """

    verdict: Literal["runs", "asks", "refused", "unreadable"]
    level: Literal["trusted", "guarded", "ask", "locked"]
    policy: str
    findings: tuple[Finding, ...] = ()
    findings_omitted: int = 0
    unreadable: dict[str, Any] | None = None

    @classmethod
    def _read(cls, result: dict[str, Any]) -> CheckResult:
        members = known(cls, result)
        return cls(**members | {"findings": Finding._read_all(members.get("findings") or [])})


@dataclass(frozen=True)
class RemoteException:
    """What a script raised in Blender; `line` is the script's line, counted from 1."""

    type: str
    message: str
    traceback: str
    line: int | None = None


@dataclass(frozen=True)
class ScriptResult:
    """What a script did.

    value: the last expression's value; arrays and bytes as such. None when there is none, or when it
    has no JSON form: `value_error` tells then, and `value_repr` shows it.
    undo_step: the name of the undo step that holds its changes; None when it changed nothing.
    duration_ms: milliseconds on Blender's main thread.
    findings: what the guard found in it, and let pass.
    watched: what it tried that the runtime watch knows of, dictionaries of event, detail, refused and count.
    aftermath: what it left behind that works on after its end, lists of names by kind; None when it left nothing.
    checkpoint: the copy of the file that was saved before it, for `edit.restore`.
    broke_into: the driver or handler in which a script was stopped that had not left it for 500 ms.
    stdout_omitted, stderr_omitted: characters beyond the limit, which were not sent.
    """

    status: Literal["ok", "raised", "timed_out", "cancelled"]
    stdout: str
    stderr: str
    duration_ms: float
    value: Any = None
    value_repr: str | None = None
    value_error: dict[str, str] | None = None
    exception: RemoteException | None = None
    undo_step: str | None = None
    findings: tuple[Finding, ...] = ()
    watched: list[dict[str, Any]] | None = None
    aftermath: dict[str, list[str]] | None = None
    checkpoint: str | None = None
    broke_into: str | None = None
    stdout_omitted: int = 0
    stderr_omitted: int = 0

    @classmethod
    def _read(cls, result: dict[str, Any]) -> ScriptResult:
        members = known(cls, result)
        members["findings"] = Finding._read_all(members.get("findings") or [])
        if members.get("exception"):
            members["exception"] = RemoteException(**known(RemoteException, members["exception"]))
        return cls(**members)

    @classmethod
    def _read_checked(cls, result: dict[str, Any]) -> ScriptResult:
        return cls._read(result).check()

    def check(self) -> Self:
        """This result, or `ScriptFailed` with Blender's traceback if the script did not end well."""
        if self.status == "ok":
            return self
        message = {"timed_out": "the script's time was up", "cancelled": "the script was cancelled"}.get(self.status)
        if self.exception is not None:
            what = f"{self.exception.type}: {self.exception.message}"
            message = f"{message or what}\n\nIn Blender:\n{self.exception.traceback}"
        raise ScriptFailed(message or self.status, kind=f"script_{self.status}", result=self)


@dataclass(frozen=True)
class Picture:
    """A PNG picture. A notebook shows it by itself; `bytes(picture)` and `picture.data` are the file.

    width, height: pixels.
    source: what drew it: `viewport`, or the engine's name.
    seconds: how long that took, where it was a render.
    """

    data: bytes
    width: int
    height: int
    source: str
    seconds: float | None = None

    @classmethod
    def _read_render(cls, result: dict[str, Any]) -> Picture:
        return cls(result["image"], result["width"], result["height"], result["engine"], result["seconds"])

    @classmethod
    def _read_capture(cls, result: dict[str, Any]) -> Picture:
        return cls(result["image"], result["width"], result["height"], result["source"])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the PNG file, over an earlier one."""
        with open(path, "wb") as file:
            file.write(self.data)

    def __bytes__(self) -> bytes:
        return self.data

    def _repr_png_(self) -> bytes:
        return self.data

    def __repr__(self) -> str:
        return f"<Picture {self.width} x {self.height}, {self.source}, {len(self.data)} bytes of PNG>"


@dataclass(frozen=True)
class Animation:
    """Rendered frames; `files` are the PNG files on Blender's disk, in the order of their frames."""

    files: list[str]
    width: int
    height: int
    engine: str
    seconds: float

    @classmethod
    def _read(cls, result: dict[str, Any]) -> Animation:
        return cls(**known(cls, result))


@dataclass(frozen=True)
class Scene:
    """The open scene at a glance.

    file: the .blend file, empty when it was never saved; dirty: whether there are unsaved changes.
    mode: such as `OBJECT` or `EDIT_MESH`.
    selected: the names of the first 100 selected objects.
    objects: how many objects of each type, such as `{"MESH": 3, "CAMERA": 1}`.
    collections: their names, depth first, at most 1,000.
    frames: `current`, `start`, `end`, and `fps`, frames per second.
    render: `engine`, `width` and `height` in pixels before the `percentage`.
    unit_scale: metres per Blender unit.
    """

    name: str
    file: str
    dirty: bool
    mode: str
    active_object: str | None
    selected: list[str]
    objects: dict[str, int]
    collections: list[str]
    camera: str | None
    world: str | None
    frames: dict[str, Any]
    render: dict[str, Any]
    unit_system: str
    unit_scale: float

    @classmethod
    def _read(cls, result: dict[str, Any]) -> Scene:
        return cls(**known(cls, result))


@dataclass(frozen=True)
class JobStatus:
    """How far a job has come.

    state: `done` also where it has failed.
    progress: as it last reported it while it runs, else None.
    age_ms: milliseconds since it was accepted.
    """

    job: str
    method: str
    label: str
    state: Literal["queued", "running", "done"]
    age_ms: int
    progress: Progress | None = None

    @classmethod
    def _read(cls, report: dict[str, Any]) -> JobStatus:
        return cls(**known(cls, report) | {"progress": Progress._read(report.get("progress"))})
