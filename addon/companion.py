# SPDX-License-Identifier: GPL-3.0-or-later
"""The program `spindle` that the extension's zip carries: where it is, and how it is run beside Blender.

Blender's main thread must not wait for it, and Python's threads are not for use inside Blender. So what it writes is
taken from the pipes whenever somebody looks, as far as it has come.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Literal

PROGRAM = Path(__file__).parent / "bin" / ("spindle.exe" if os.name == "nt" else "spindle")
"""Where scripts/package puts it. It moves with each version of the extension; AI clients start a copy of it that does
not, which `spindle setup` makes."""

MOST_OUTPUT = 1 << 20
"""Of what a run writes to its standard output, in bytes; the rest is dropped. A list of clients has 20 KiB."""

MOST_ERRORS = 1 << 14
"""Of what a run writes to its standard error the end is kept, in bytes."""

CHUNK = 1 << 16
"""What a pipe holds, in bytes."""

GRACE_S = 3.5
"""How long a run that is asked to end may take to do so, and again after it was told to by a signal. The program gives
running requests 3 s."""

_BLOCKED = {5, 225, 1260, 4551}
"""Errors of Windows: access denied, taken for a virus, forbidden by a group policy, forbidden by Smart App Control."""

_FOREIGN = {193, 216}
"""Errors of Windows: no executable, or one for another processor."""

Kind = Literal["missing", "not_executable", "blocked", "foreign", "cannot_start"]


class CompanionError(Exception):
    """The program cannot be run; the message says why, and what to do."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind: Kind = kind


def program() -> str:
    """The path of the program, an executable file. Raises CompanionError: missing, not_executable.

    Not every way by which an extension is unpacked keeps the mode of a file.
    """
    if not PROGRAM.is_file():
        raise CompanionError("missing", "This Spindle came without its program; install a zip made by scripts/package")
    if not os.access(PROGRAM, os.X_OK):
        try:
            PROGRAM.chmod(0o755)
        except OSError as error:
            raise CompanionError(
                "not_executable", f"{PROGRAM} cannot be made executable ({error.strerror}); its owner has to do it"
            ) from error
    return str(PROGRAM)


class Run:
    """One process of the program. Nothing here waits for it, except `end`."""

    def __init__(self, arguments: Sequence[str], *, held: bool = False) -> None:
        """Start the program with these arguments. Raises CompanionError.

        held: its standard input is a pipe that stays open until it is asked to end, or until this process is gone,
        however that happens; else it has none.
        """
        self.output = b""
        self.errors = b""
        self._asked_at: float | None = None
        try:
            self._process = subprocess.Popen(
                [program(), *arguments],
                bufsize=0,
                stdin=subprocess.PIPE if held else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise _obstacle(error) from error
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None and sys.platform != "win32":
                os.set_blocking(pipe.fileno(), False)

    @property
    def status(self) -> int | None:
        """How it has ended; None while it runs. Negative for a signal."""
        return self._process.returncode

    def look(self) -> bool:
        """Take what it has written. Returns whether it has ended; all that it wrote has been taken then."""
        ended = self._process.poll() is not None
        self.output = (self.output + _take(self._process.stdout))[:MOST_OUTPUT]
        self.errors = (self.errors + _take(self._process.stderr))[-MOST_ERRORS:]
        if ended:
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
                if pipe is not None:
                    pipe.close()
        elif self._asked_at is not None:
            self._insist(time.monotonic() - self._asked_at)
        return ended

    def ask_to_end(self) -> None:
        """Close its standard input, upon which it ends. Whoever looks later makes it end if it does not."""
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            if self._process.stdin is not None:
                self._process.stdin.close()

    def _insist(self, waited_s: float) -> None:
        if waited_s > 2 * GRACE_S:
            self._process.kill()
        elif waited_s > GRACE_S or self._process.stdin is None:
            self._process.terminate()

    def end(self) -> None:
        """Ask it to end, and wait until it has: for thrice GRACE_S at most, as some hang in the system."""
        self.ask_to_end()
        deadline = time.monotonic() + 3 * GRACE_S
        while not self.look() and time.monotonic() < deadline:
            time.sleep(0.005)


def _take(pipe: IO[bytes] | None) -> bytes:
    """What can be read from a pipe without waiting."""
    parts: list[bytes] = []
    while pipe is not None and not pipe.closed and sum(map(len, parts)) < MOST_OUTPUT:
        part = _read(pipe.fileno())
        if not part:
            break
        parts.append(part)
    return b"".join(parts)


if sys.platform == "win32":
    import _winapi
    import msvcrt

    def _read(descriptor: int) -> bytes:
        # Pipes that do not block can be had there from Python 3.12 on, and Blender had 3.11 up to 5.0.
        try:
            available, _ = _winapi.PeekNamedPipe(msvcrt.get_osfhandle(descriptor), 0)
        except BrokenPipeError:
            return b""
        return os.read(descriptor, available) if available else b""

else:

    def _read(descriptor: int) -> bytes:
        try:
            return os.read(descriptor, CHUNK)
        except BlockingIOError:
            return b""


def _obstacle(error: OSError) -> CompanionError:
    """Why the system does not start the program."""
    number, reason = getattr(error, "winerror", None), error.strerror or str(error)
    if number in _FOREIGN or error.errno == errno.ENOEXEC:
        return CompanionError("foreign", f"Spindle's program is for another kind of machine ({reason})")
    if number in _BLOCKED or isinstance(error, PermissionError):
        return blocked(reason)
    return CompanionError("cannot_start", f"Spindle's program cannot be started: {reason}")


def blocked(reason: str) -> CompanionError:
    """The system forbids it."""
    return CompanionError(
        "blocked",
        f"This system does not let Spindle's program run ({reason}), as some do with programs that are not signed. "
        f"Allow {PROGRAM} in its security settings",
    )
