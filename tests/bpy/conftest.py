# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for what runs in a real Blender: `~/.cache/spindle/bpy-5.0/bin/python -m pytest tests/bpy`.

Each test begins with a new empty file. The add-on's package is stood in for by one without its `__init__`, which
needs the native module.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import pytest

_ADDON = Path(__file__).parents[2] / "addon"

if "addon" not in sys.modules:
    package = types.ModuleType("addon")
    package.__path__ = [str(_ADDON)]
    sys.modules["addon"] = package

from addon.commands import TABLE  # noqa: E402
from addon.errors import CommandError  # noqa: E402
from addon.turn import Turn, TurnPreferences  # noqa: E402

STATUS = pytest.StashKey[int]()

_DEFAULTS: dict[str, dict[str, Any]] = {
    "object.list": {"filter": {}, "fields": None, "limit": 100, "cursor": None},
    "object.get": {"fields": None},
    "object.create": dict.fromkeys(
        "name location rotation scale size color energy lens look_at parent collection material text vertices "
        "faces".split()
    )
    | {"smooth": False},
    "object.set": dict.fromkeys(
        "rename location rotation scale color energy look_at collection material visible renderable selected".split()
    )
    | {"active": False},
    "material.set": dict.fromkeys(
        "object base_color metallic roughness transmission alpha emission_color emission_strength".split()
    ),
    "operator.call": {"properties": {}, "area": None},
    "docs.get": {"cursor": None},
    "docs.search": {"kinds": None, "limit": 20, "cursor": None},
    "file.new": {"empty": True, "discard_changes": False},
    "file.open": {"discard_changes": False},
    "file.save": {"path": None, "copy": False, "overwrite": False},
    "edit.undo": {"steps": 1},
    "edit.redo": {"steps": 1},
}
"""What the native side fills in for parameters that a request leaves out."""

Call = Callable[..., Any]


@pytest.fixture(autouse=True)
def empty_file() -> None:
    """A new file with a scene and nothing in it."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)


@pytest.fixture
def call() -> Call:
    """Call a method as the dispatcher does: `call("object.get", name="Cube")`. Generators run to their end."""

    def call_method(
        method: str, /, blob: bytes = b"", preferences: TurnPreferences | None = None, **params: Any
    ) -> Any:
        turn = Turn("test", 1, method, blob=blob, preferences=preferences or TurnPreferences())
        result = TABLE[method](turn, **_DEFAULTS.get(method, {}) | params)
        if not isinstance(result, types.GeneratorType):
            return result
        while True:
            try:
                next(result)
            except StopIteration as end:
                return end.value

    return call_method


@pytest.fixture
def refuses(call: Call) -> Call:
    """Call a method that must fail with this kind and a message that contains this text."""

    def check(kind: str, text: str, method: str, /, **params: Any) -> CommandError:
        with pytest.raises(CommandError) as caught:
            call(method, **params)
        assert (caught.value.kind, text in caught.value.message) == (kind, True), (caught.value.kind, str(caught.value))
        return caught.value

    return check


def close(expected: Any) -> Any:
    """The same numbers up to the rounding of 32-bit floats, in nested lists too."""
    if isinstance(expected, (list, tuple)) and expected and isinstance(expected[0], (list, tuple)):
        return [close(item) for item in expected]
    return pytest.approx(expected, abs=1e-5, rel=1e-5)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remember how the tests ended, for `pytest_unconfigure`."""
    session.config.stash[STATUS] = int(exitstatus)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the process at once where Blender's own end of it fails: the module of 4.2 crashes once anything has looked
    at the names that drivers know (`python -c "import bpy; bpy.app.driver_namespace"`) or has registered a property
    with an update function, and that of 4.5 hangs after a timer."""
    if bpy.app.version < (5, 0):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[STATUS])
