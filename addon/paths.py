# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files a client may name (PATHS). `resolve_under` is the rule; `allowed_path` applies it to this Blender."""

from __future__ import annotations

import ntpath
import os
import re
import tempfile
from collections.abc import Iterable

from .errors import CommandError
from .turn import TurnPreferences

_DRIVE = re.compile(r"[A-Za-z]:")
_SEPARATORS = re.compile(r"[\\/]")


def allowed_path(path: str, preferences: TurnPreferences) -> str:
    """The absolute path that a client's path stands for, links resolved. The file need not exist.

    Raises `path_not_allowed` unless it lies in the open file's folder, the output folder, a temporary folder or
    one of the preferences' allowed folders. A path that begins with `//` is relative to the open file.
    """
    file_folder, *_ = roots = allowed_folders(preferences)
    return resolve_under(path, roots, file_folder)


def allowed_folders(preferences: TurnPreferences) -> tuple[str, ...]:
    """The folders that clients may name files in, the open file's first; some may be empty, relative or links."""
    # Imported late: the rule itself is used and tested where there is no Blender.
    import bpy

    return (
        os.path.dirname(bpy.data.filepath),
        preferences.output_folder,
        bpy.app.tempdir,
        tempfile.gettempdir(),
        *preferences.allowed_folders,
    )


def resolve_under(path: str, roots: Iterable[str], base: str = "") -> str:
    """The absolute path, links resolved, that `path` stands for, if it lies in or under one of `roots`.

    `base` is the folder that `//` means, empty if there is none. Roots that are empty or relative do not count.
    Raises `path_not_allowed`, with the path and the folders in its details.
    """
    folders = list(dict.fromkeys(os.path.realpath(root) for root in roots if os.path.isabs(root)))
    fault = _fault(path, base)
    if fault is None:
        plain = os.path.join(base, path[2:]) if path.startswith("//") else path
        try:
            # realpath also resolves what exists of a path that does not exist as a whole.
            resolved = os.path.realpath(plain)
        except (OSError, ValueError) as error:
            fault = f"cannot be resolved: {error}"
        else:
            if any(_is_under(resolved, folder) for folder in folders):
                return resolved
            fault = "is outside the allowed folders" + (f" (it is {resolved})" if resolved != plain else "")
    raise CommandError(
        "path_not_allowed",
        f"the path {path!r} {fault}. Allowed: {', '.join(folders) or 'none'}. Spindle's preferences can allow more",
        path=path,
        allowed=folders,
    )


def _fault(path: str, base: str) -> str | None:
    """What is wrong with the form of a path, whatever it points to."""
    if "\0" in path:
        return "has a NUL character"
    # Whether `a/link/..` means `a` depends on who reads it; nobody needs it.
    if ".." in _SEPARATORS.split(path):
        return "has a '..' in it"
    if path.startswith("//"):
        if not base:
            return "is relative to the open file, which was never saved"
        return "is not relative after its '//'" if _is_rooted(path[2:]) else None
    if os.name == "nt":
        return _fault_on_windows(path)
    if _DRIVE.match(path) or path.startswith("\\"):
        return "is a Windows path, and this is none"
    return None if os.path.isabs(path) else "is not absolute"


def _fault_on_windows(path: str) -> str | None:
    if path.startswith(("\\\\?\\", "\\\\.\\")):
        return "is a device path"
    drive, tail = ntpath.splitdrive(path)
    if not drive or not _is_rooted(tail):
        return "is not absolute, with its drive"
    return "names an alternate data stream" if ":" in tail else None


def _is_rooted(path: str) -> bool:
    return path.startswith(("/", "\\")) or _DRIVE.match(path) is not None


def _is_under(path: str, folder: str) -> bool:
    path, folder = os.path.normcase(path), os.path.normcase(folder)
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
