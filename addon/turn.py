# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command is told besides its parameters."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TurnPreferences:
    """The preferences that commands obey, as they were when the turn began."""

    allowed_folders: tuple[str, ...] = ()
    """Absolute folders, besides the usual ones, in which clients may name files."""
    run_file_scripts: bool = False
    """Whether scripts and drivers of an opened .blend file may run."""
    output_folder: str = ""
    """Where Spindle writes files of its own; empty for none."""


@dataclass(slots=True)
class Turn:
    """One request's origin and options, and what the command says about its effect."""

    client: str
    """The client's name, for people."""
    session: int
    """The number of the client's session."""
    method: str
    label: str = ""
    """What the client calls this request, for undo steps and logs."""
    effect: str | None = None
    """What the client claims it to be: "read", "write" or None."""
    blob: bytes = b""
    """The request's bulk data, which blob references point into."""
    preferences: TurnPreferences = field(default_factory=TurnPreferences)
    changes: bool | None = None
    """What a script says of itself: whether it may have changed something; None until it has started."""
    failure: tuple[str, str] | None = None
    """How and why a script did not end well, for people; its result tells programs."""
