# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of the open file that are saved before scripts. Uses bpy.

A copy is no save of the user's: the file keeps its path and its unsaved changes. All Blenders of a user share the
folder, and the oldest copies make room. A copy knows the path of the file that it was made of, as those do that
Blender saves to recover from a crash, so that a restored file is saved where the user expects it.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import BinaryIO

import bpy

from .errors import CommandError

_PATH_AT, _PATH_BYTES = 80, 1024
"""Where the block GLOB of a .blend file has the path to recover to (`FileGlobal.filepath`), in Blender 4.2 to 5.2. A
usual save leaves it empty."""

_BLOCKS = 64
"""Blocks before GLOB: those of the thumbnail and of the session's name."""


_FORMS = {
    b"BLENDER-v": (12, struct.Struct("<4siQii"), 1),
    b"BLENDER17-01v": (17, struct.Struct("<4siQqq"), 3),
}
"""How files begin, up to 4.5 and from 5.0 on: where the first block is, a block's head, and which part of that is the
length of what follows it."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A copy, as the protocol tells it."""

    name: str
    saved: str
    """When, RFC 3339 in UTC."""
    file: str
    """The file that was open, empty for one that was never saved."""
    before: str
    """What it was saved before."""
    bytes: int = 0

    @property
    def path(self) -> str:
        """The copy itself."""
        return os.path.join(folder(), f"{self.name}.blend")


def save(before: str, most: int) -> Checkpoint:
    """Save a copy of the open file, and remove the oldest beyond `most`. `before` says for people what follows.

    Raises `command_failed`, before which nothing has changed.
    """
    now = datetime.now(UTC)
    name = f"{now:%Y%m%dT%H%M%S%f}-{os.getpid()}"
    copy = Checkpoint(name, f"{now:%Y-%m-%dT%H:%M:%S.%f}Z", bpy.data.filepath, before)
    try:
        with open(_facts_path(name), "x", encoding="utf-8") as facts:
            json.dump({"saved": copy.saved, "file": copy.file, "before": before}, facts)
        # Paths relative to the open file stay as they are, for that is the path it will have again. Compression would
        # take longer than the script, as a rule.
        bpy.ops.wm.save_as_mainfile(
            filepath=copy.path, copy=True, check_existing=False, compress=False, relative_remap=False
        )
        if copy.file:
            with open(copy.path, "r+b") as file:
                _write_path(file, copy.file)
    except (RuntimeError, OSError) as error:
        _remove(name)
        raise CommandError("command_failed", f"no checkpoint could be saved: {str(error).strip()}") from None
    for old in _names()[most:]:
        _remove(old)
    return _read(name)


def listed() -> list[Checkpoint]:
    """All that there are, newest first."""
    return [_read(name) for name in _names()]


def find(name: str | None) -> Checkpoint:
    """The one of this name, or the newest. Raises `not_found`."""
    names = _names()
    if name is None and names:
        return _read(names[0])
    if name not in names:
        raise CommandError("not_found", f"there is no checkpoint {name or ''}".rstrip(), known=names)
    return _read(name)


def folder() -> str:
    """Where they are: beside what Spindle keeps for the user, and their owner's alone."""
    try:
        path = bpy.utils.extension_path_user(__package__, path="checkpoints", create=True)
    except ValueError:
        # Outside an extension repository, as from the bpy module, there is no such folder.
        path = os.path.join(bpy.app.tempdir, "spindle-checkpoints")
        os.makedirs(path, exist_ok=True)
    os.chmod(path, 0o700)
    return path


def _names() -> list[str]:
    """Newest first: a name begins with its time. The facts are written before the copy."""
    stems = (os.path.splitext(name) for name in os.listdir(folder()))
    return sorted((stem for stem, suffix in stems if suffix == ".blend"), reverse=True)


def _facts_path(name: str) -> str:
    return os.path.join(folder(), f"{name}.json")


def _read(name: str) -> Checkpoint:
    try:
        with open(_facts_path(name), encoding="utf-8") as file:
            facts = json.load(file)
        copy = Checkpoint(name, str(facts["saved"]), str(facts["file"]), str(facts["before"]))
        return Checkpoint(**asdict(copy) | {"bytes": os.path.getsize(copy.path)})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError("command_failed", f"the checkpoint {name} cannot be read: {error}") from None


def _remove(name: str) -> None:
    for path in (os.path.join(folder(), f"{name}.blend"), _facts_path(name)):
        if os.path.exists(path):
            os.remove(path)


def _write_path(file: BinaryIO, path: str) -> None:
    """Have a .blend file that was just saved know where it is to be recovered to. One of an unknown form is left as it
    is: it keeps the name of the copy then, and whoever restores it is told."""
    start, encoded = _globals_at(file), os.fsencode(path)
    if start is None or len(encoded) >= _PATH_BYTES:
        return
    file.seek(start + _PATH_AT)
    if file.read(_PATH_BYTES) == bytes(_PATH_BYTES):
        file.seek(start + _PATH_AT)
        file.write(encoded)


def _globals_at(file: BinaryIO) -> int | None:
    """Where the content of the block GLOB begins."""
    start = file.read(17)
    form = next((form for magic, form in _FORMS.items() if start.startswith(magic)), None)
    if form is None:
        return None
    at, head, length = form
    for _ in range(_BLOCKS):
        file.seek(at)
        block = file.read(head.size)
        if len(block) < head.size:
            return None
        at += head.size
        if block.startswith(b"GLOB"):
            return at
        at += head.unpack(block)[length]
    return None
