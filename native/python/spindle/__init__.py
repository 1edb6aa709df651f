# SPDX-License-Identifier: GPL-3.0-or-later
"""Drive a running Blender from Python, from outside it.

For example::

    import spindle

    with spindle.connect() as blender:
        print(blender.run("len(bpy.data.objects)").value)
"""

from . import errors
from ._blender import Blender, RemoteException, ScriptResult, Server, connect, servers
from ._native import native
from .errors import ScriptFailed, SpindleError

__all__ = [
    "Blender",
    "RemoteException",
    "ScriptFailed",
    "ScriptResult",
    "Server",
    "SpindleError",
    "connect",
    "errors",
    "servers",
]

__version__: str = native.VERSION
