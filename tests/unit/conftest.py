# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's modules that do not know Blender, as the package `addon` without its `__init__`."""

from __future__ import annotations

import sys
import types
from pathlib import Path

_ADDON = Path(__file__).parents[2] / "addon"

for name, folder in (("addon", _ADDON), ("addon.commands", _ADDON / "commands")):
    package = types.ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules.setdefault(name, package)
