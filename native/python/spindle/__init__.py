# SPDX-License-Identifier: GPL-3.0-or-later
"""Drive a running Blender from Python, from outside it.

For example::

    import spindle

    with spindle.connect() as blender:
        print(blender.run("len(bpy.data.objects)").value)

`spindle.aio` is the same for asyncio.
"""

import importlib
from typing import TYPE_CHECKING, Any

from . import errors
from ._blender import Blender, connect
from ._finding import Finding
from ._job import Job
from ._native import native
from ._results import (
    Animation,
    CheckResult,
    JobStatus,
    Picture,
    Progress,
    RemoteException,
    Scene,
    ScriptResult,
    Server,
)
from ._stream import Line, Stream
from ._transport import servers
from .errors import ScriptFailed, ScriptRefused, SpindleError

if TYPE_CHECKING:
    from . import aio

__all__ = [
    "Animation",
    "Blender",
    "CheckResult",
    "Finding",
    "Job",
    "JobStatus",
    "Line",
    "Picture",
    "Progress",
    "RemoteException",
    "Scene",
    "ScriptFailed",
    "ScriptRefused",
    "ScriptResult",
    "Server",
    "SpindleError",
    "Stream",
    "aio",
    "connect",
    "errors",
    "servers",
]

__version__: str = native.VERSION


def __getattr__(name: str) -> Any:
    """`spindle.aio`, when it is first used: asyncio takes longer to import than all else here."""
    if name == "aio":
        return importlib.import_module(f"{__name__}.aio")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
