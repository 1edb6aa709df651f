# SPDX-License-Identifier: GPL-3.0-or-later
"""The one server of this Blender: started, asked and stopped here, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import native
from .dispatcher import Dispatcher


@dataclass
class _State:
    server: native.Server | None = None
    dispatcher: Dispatcher | None = None
    error: str = ""


_state = _State()


def start(
    dispatcher: Dispatcher,
    preferences: dict[str, Any],
    arguments: dict[str, Any],
    *,
    blender: str,
    window: bool,
    file: str,
) -> bool:
    """Start the server unless it runs. Returns whether it runs now; `last_error` says why not.

    preferences, arguments: the settings that each of the two has; the native part adds the environment's between them.
    """
    if _state.server is not None:
        return True
    try:
        module = native.load()
        dispatcher.check_methods(module.main_methods())
        server = module.Server(preferences, arguments=arguments, blender=blender, window=window, file=file)
    except (native.NativeError, RuntimeError) as error:
        _state.error = str(error)
        return False
    dispatcher.attach(server)
    _state.server, _state.dispatcher, _state.error = server, dispatcher, ""
    return True


def stop() -> None:
    """Stop the server if it runs. Allowed at any time, from within a request too."""
    server, dispatcher = _state.server, _state.dispatcher
    _state.server = _state.dispatcher = None
    if dispatcher is not None:
        dispatcher.detach()
    if server is not None:
        server.stop()


def running() -> native.Server | None:
    """The server, while it runs."""
    return _state.server


def dispatcher() -> Dispatcher | None:
    """The dispatcher, while the server runs."""
    return _state.dispatcher


def last_error() -> str:
    """Why the last start failed; empty when it did not."""
    return _state.error


def note_error(text: str) -> None:
    """Keep what went wrong outside a request, for the panel."""
    _state.error = text
