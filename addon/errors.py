# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way in which a command fails."""

from __future__ import annotations

from typing import Any


class CommandError(Exception):
    """A failure that is answered as `kind`, one of the names in docs/protocol.md.

    The message names what was wrong, the limit, and what to do. `started` says whether anything was changed;
    None means that this cannot be known. `details` are plain values for programs.
    """

    def __init__(self, kind: str, message: str, started: bool | None = False, **details: Any) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.started = started
        self.details = details


def invalid(where: str, problem: str, **details: Any) -> CommandError:
    """`invalid_params` for the parameter, or the place in it, that `where` names."""
    return CommandError("invalid_params", f"{where}: {problem}", path=where, **details)
