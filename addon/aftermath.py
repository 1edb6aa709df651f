# SPDX-License-Identifier: GPL-3.0-or-later
"""What a script leaves behind that works on after its end, or outlives undo. Uses bpy.

It is looked for around every script, so first come counts and identities, which take about a microsecond each; names
are gathered only where these differ. What takes longer is looked for only around scripts that may touch it.
"""

from __future__ import annotations

import _thread
import operator
import sys
import threading
import time
import types
from collections.abc import Collection, Iterable, Set
from dataclasses import dataclass
from itertools import chain
from typing import Any

import bpy

from .animation import animated

NAMES = 50
"""The most names told in each list: whoever leaves more has been described."""

PREFERENCES = (
    "is_dirty",
    "use_preferences_save",
    "edit.undo_steps",
    "edit.use_global_undo",
    "filepaths.animation_player",
    "filepaths.image_editor",
    "filepaths.temporary_directory",
    "filepaths.text_editor",
    "filepaths.text_editor_args",
    "filepaths.use_scripts_auto_execute",
    "system.use_online_access",
)
"""Preferences that decide what code runs, where files go, or what can be undone. The first stands for all others: it
turns true when any is changed."""

PREFERENCE_LISTS = ("addons", "extensions.repos", "filepaths.script_directories")
"""The same, of which the names are compared."""

DRIVERLESS_S = 1.0
"""How long it is taken for known that the open file has no drivers: to look at all data-blocks takes 0.1 ms for a
thousand objects. A script that says nothing of drivers and breaks one that is newer is not found out."""

_CLASSES = tuple(
    getattr(bpy.types, name)
    for name in (
        "AddonPreferences AssetShelf FileHandler Gizmo GizmoGroup Header KeyingSetInfo Macro Menu Node NodeSocket "
        "NodeTree Operator Panel PropertyGroup RenderEngine UIList"
    ).split()
    if hasattr(bpy.types, name)
)
_HANDLERS = {
    name: found for name in dir(bpy.app.handlers) if isinstance(found := getattr(bpy.app.handlers, name), list)
}


_read_values = operator.attrgetter(*PREFERENCES)
_read_lists = operator.attrgetter(*PREFERENCE_LISTS)

Drivers = dict[tuple[int, str, int], bool]
"""Whether a driver is valid, by its data-block's number in this session, its path and its index."""

_ABSENT = object()


@dataclass(slots=True)
class Snapshot:
    """What there was before a script."""

    handlers: list[Any]
    path: tuple[Any, ...]
    modules: int
    threads: list[threading.Thread]
    thread_count: int
    more: Changeable | None

    @classmethod
    def take(cls, touched: Set[str] | None) -> Snapshot:
        """What there is now. `touched` is what the script may touch of `touching.EVERYTHING`; None says that it changes
        nothing at all."""
        return cls(
            handlers=_handlers(),
            path=tuple(sys.path),
            modules=len(sys.modules),
            threads=threading.enumerate(),
            thread_count=_thread._count(),
            more=None if touched is None else Changeable.take(touched),
        )

    def difference(self, namespace: dict[str, Any] | None = None) -> dict[str, list[str]] | None:
        """What is there now and was not before, as the protocol's `Aftermath`; None if that is nothing.

        `namespace` is the script's own, whose functions may be registered as timers: Blender does not list its
        timers, it only tells of a function whether it is one. So a timer that is a method, a lambda or another
        module's function is not found.
        """
        found = {
            "sys_path": self._new_path(),
            "modules": self._new_modules(),
            "handlers": self._new_handlers(),
            "threads": self._new_threads(),
        }
        if self.more is not None:
            found |= self.more.difference()
            found["timers"] = _timers(namespace or {})
        return {kind: sorted(set(names))[:NAMES] for kind, names in found.items() if names} or None

    def _new_path(self) -> list[str]:
        if _same(self.path, sys.path):
            return []
        known = {id(entry) for entry in self.path}
        return [entry if type(entry) is str else _kind(entry) for entry in sys.path if id(entry) not in known]

    def _new_modules(self) -> list[str]:
        before = None if self.more is None else self.more.modules
        if before is None:
            # An import only adds modules, and a dict keeps its order.
            return [] if len(sys.modules) == self.modules else _outermost(list(sys.modules)[self.modules :])
        now = sys.modules.copy()
        if _same(before.values(), now.values()):
            return []
        return _outermost([name for name, module in now.items() if module is not before.get(name, _ABSENT)])

    def _new_handlers(self) -> list[str]:
        if _same(self.handlers, _handlers()):
            return []
        known = {id(function) for function in self.handlers}
        return [
            f"{kind}: {_name(function)}"
            for kind, functions in _HANDLERS.items()
            for function in functions
            if id(function) not in known
        ]

    def _new_threads(self) -> list[str]:
        if _thread._count() == self.thread_count:
            return []
        known = {id(thread) for thread in self.threads}
        named = [thread.name for thread in threading.enumerate() if id(thread) not in known]
        # Those of the module _thread have no name, and count only once they have begun to run.
        return named or ["<thread>"] * (_thread._count() > self.thread_count)


@dataclass(slots=True)
class Changeable:
    """The part that only a script which changes something can change."""

    touched: Set[str]
    scenes: set[int]
    texts: dict[str, int]
    drivers: Drivers
    modules: dict[str, Any] | None
    preferences: list[Any]
    classes: list[list[type]]

    @classmethod
    def take(cls, touched: Set[str]) -> Changeable:
        """What there is now."""
        scenes = _scenes()
        return cls(
            touched=touched,
            scenes=scenes,
            texts=_texts(),
            drivers=_drivers() if "drivers" in touched or not _is_driverless(scenes) else {},
            modules=sys.modules.copy() if "modules" in touched else None,
            preferences=_preferences() if "preferences" in touched else [],
            classes=_classes() if "classes" in touched else [],
        )

    def difference(self) -> dict[str, list[str]]:
        """What is there now and was not before."""
        found = {"preferences": self._new_preferences(), "classes": self._new_classes()}
        # In another file everything is new, and nothing of it the script's doing.
        if not self.scenes.isdisjoint(_scenes()):
            found["texts"] = [name for name, content in _texts().items() if self.texts.get(name) != content]
            if self.drivers or "drivers" in self.touched:
                drivers = _drivers()
                found["drivers"] = _described(drivers.keys() - self.drivers.keys())
                broken = (key for key, is_valid in drivers.items() if not is_valid and self.drivers.get(key))
                found["broken_drivers"] = _described(broken)
        return found

    def _new_preferences(self) -> list[str]:
        if "preferences" not in self.touched or (now := _preferences()) == self.preferences:
            return []
        paths = PREFERENCES + PREFERENCE_LISTS
        return [path for path, old, new in zip(paths, self.preferences, now, strict=True) if old != new]

    def _new_classes(self) -> list[str]:
        if "classes" not in self.touched or [*map(len, now := _classes())] == [*map(len, self.classes)]:
            return []
        known = {id(found) for found in chain.from_iterable(self.classes)}
        # Blender gives a class a `bl_rna` of its own as it registers it.
        return [
            _name(found)
            for found in chain.from_iterable(now)
            if id(found) not in known and "bl_rna" in type.__dict__["__dict__"].__get__(found)
        ]


def _same(before: Collection[Any], now: Collection[Any]) -> bool:
    """Whether both hold the very same objects. No object's own `__eq__` is asked: it may be the script's."""
    return len(before) == len(now) and all(map(operator.is_, before, now))


def _handlers() -> list[Any]:
    return [*chain.from_iterable(_HANDLERS.values())]


def _classes() -> list[list[type]]:
    return [type.__subclasses__(base) for base in _CLASSES]


def _timers(namespace: dict[str, Any]) -> list[str]:
    is_timer = bpy.app.timers.is_registered
    own = [value for value in namespace.values() if type(value) is types.FunctionType]
    return [function.__qualname__ for function in own if function.__globals__ is namespace and is_timer(function)]


def _scenes() -> set[int]:
    """The scenes' numbers, which no two data-blocks of a session share: what tells one open file from another."""
    return {scene.session_uid for scene in bpy.data.scenes}


def _texts() -> dict[str, int]:
    return {text.name: hash(text.as_string()) for text in bpy.data.texts}


_driverless: tuple[set[int], float] = set(), 0.0
"""The scenes of a file that had no drivers, and until when that is taken for known."""


def _is_driverless(scenes: set[int]) -> bool:
    known, until = _driverless
    return known == scenes and time.monotonic() < until or not _drivers()


def _drivers() -> Drivers:
    global _driverless
    found = {
        (owner.session_uid, curve.data_path, curve.array_index): curve.driver.is_valid
        for owner in animated()
        for curve in owner.animation_data.drivers
    }
    _driverless = _scenes(), 0.0 if found else time.monotonic() + DRIVERLESS_S
    return found


def _described(keys: Iterable[tuple[int, str, int]]) -> list[str]:
    wanted = set(keys)
    names = {owner.session_uid: owner.name for owner in animated()} if wanted else {}
    return [f"{names[number]}: {path}[{index}]" for number, path, index in wanted]


def _preferences() -> list[Any]:
    preferences = bpy.context.preferences
    return [*_read_values(preferences), *(found.keys() for found in _read_lists(preferences))]


def _outermost(names: list[str]) -> list[str]:
    """The names without those inside a package that is among them."""
    known = {name for name in names if type(name) is str}
    return [name for name in known if name.rpartition(".")[0] not in known]


def _name(value: Any) -> str:
    """What a function or class is called. Of any other object its type: its own answer would be the script's."""
    if type(value) in (types.FunctionType, types.BuiltinFunctionType):
        return str(value.__qualname__)
    # Not isinstance, which asks the object itself.
    return _type_name(value) if issubclass(type(value), type) else _kind(value)


def _kind(value: Any) -> str:
    return f"<{_type_name(type(value))}>"


def _type_name(found: type) -> str:
    return str(type.__dict__["__qualname__"].__get__(found))
