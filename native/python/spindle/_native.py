# SPDX-License-Identifier: GPL-3.0-or-later
"""The only import of the native module. Its package has a name of its own for each build, which the
packaging writes beside this file."""

import importlib
from typing import Any

try:
    _build = importlib.import_module("._build", __package__)
except ModuleNotFoundError as error:
    raise ImportError(
        "spindle's native part is not here: this is a source tree, or a broken installation; "
        "install the wheel that the project's scripts build"
    ) from error

native: Any = importlib.import_module(_build.NATIVE + "._native")
