# SPDX-License-Identifier: GPL-3.0-or-later
"""The page in Blender's preferences: its properties are the server's table of limits."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import pytest
from spindle._native import native


def load_page(monkeypatch: pytest.MonkeyPatch, built_with: str) -> Iterator[Any]:
    """The module, with its classes registered, as if the add-on were enabled and built with this native package."""
    build = types.ModuleType("addon._build")
    vars(build).update(NATIVE=built_with, RELEASE=native.VERSION, VERSION=native.VERSION)
    monkeypatch.setitem(sys.modules, "addon._build", build)
    monkeypatch.delitem(sys.modules, "addon.preferences", raising=False)
    module = importlib.import_module("addon.preferences")
    addon = bpy.context.preferences.addons.new()
    addon.module = "addon"
    module.register()
    yield module
    module.unregister()
    bpy.context.preferences.addons.remove(addon)


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The page as users have it."""
    yield from load_page(monkeypatch, native.__name__.rpartition(".")[0])


@pytest.fixture
def page_without_native(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The page after an installation that went wrong."""
    yield from load_page(monkeypatch, "_spindle_that_is_not_there")


def start(page: Any, folder: Path) -> None:
    """Start a server with what is set on the page, and stop it."""
    arguments = {"port": 0, "runtime_dir": str(folder), "log": False}
    native.Server(page.server_settings(), arguments=arguments, blender="5.2.2", window=False, file="").stop()


def test_each_limit_is_a_property_of_its_own_range(page: Any) -> None:
    """BUG-007: one definition; the page cannot even be set to what the server refuses."""
    assert len(page.LIMITS) == len(native.limits()) > 20 and page.LIMITS_MISSING == ""
    properties = page.get().bl_rna.properties
    for limit in page.LIMITS:
        made = properties[limit.name]
        assert made.type == ("INT" if isinstance(limit.default, int) else "FLOAT"), limit
        range_of_page = pytest.approx((limit.default, limit.least, limit.most), rel=1e-6)
        assert (made.default, made.hard_min, made.hard_max) == range_of_page, limit
        assert limit.summary.removesuffix(".") in made.description


def test_other_clients_have_a_port_only_if_the_user_wants_them(page: Any) -> None:
    """One switch; a port alone changes nothing."""
    chosen = page.get()
    assert (chosen.compat, chosen.compat_port) == (False, 9876)
    chosen.compat_port = 5001
    assert page.server_settings() == {}
    for on, port in ((True, 5001), (False, 0)):
        chosen.compat = on
        assert page.server_settings() == {"compat_port": port}


@pytest.mark.filterwarnings("ignore:.*blend relative")
def test_only_what_the_user_has_set_is_passed_on(page: Any) -> None:
    """What is not set stays a default, which may be another one in a later version."""
    chosen = page.get()
    assert page.server_settings() == {}
    values = {"max_queued": 3000, "stall_s": 0.1, "script_deadline_s": 77.7, "ttl_most_s": 1234567.0, "port": 27182}
    for name, value in values.items():
        setattr(chosen, name, value)
    assert page.server_settings() == values
    chosen.log_dir = "//logs"
    assert page.server_settings()["log_dir"] == bpy.path.abspath("//logs")
    chosen.property_unset("port")
    assert "port" not in page.server_settings()


def test_the_server_takes_whatever_the_page_allows(page: Any, tmp_path: Path) -> None:
    """BUG-007: single precision loses nothing that matters at the ends of the ranges; what does not go together is
    refused by name."""
    chosen = page.get()
    for limit in page.LIMITS:
        setattr(chosen, limit.name, limit.least)
    start(page, tmp_path)
    for limit in page.LIMITS:
        if limit.name != "max_connections":
            setattr(chosen, limit.name, limit.most)
    start(page, tmp_path)
    chosen.max_session_queued, chosen.max_queued = 11, 10
    with pytest.raises(native.StartError, match="max_session_queued in the preferences is 11; it must be at most"):
        start(page, tmp_path)
    chosen.max_session_queued, chosen.port = 10, 80
    with pytest.raises(native.StartError, match="port in the preferences is 80; allowed is"):
        start(page, tmp_path)


def test_the_levels_of_the_guard_are_the_servers(page: Any, tmp_path: Path) -> None:
    """Each does what it says from the next start on; unset it is the server's default, which the page shows."""
    assert [name for name, _, _ in page.GUARD_LEVELS] == native.guard_levels()
    arguments = {"port": 0, "runtime_dir": str(tmp_path), "log": False}
    for level in [None, *native.guard_levels()]:
        if level is not None:
            page.get().guard_level = level
        server = native.Server(page.server_settings(), arguments=arguments, blender="5.2.2", window=False, file="")
        assert server.guard() == page.get().guard_level
        server.stop()


def test_without_the_native_part_the_page_is_there_and_says_why(page_without_native: Any) -> None:
    """The user can still read what to do, and set the rest."""
    page = page_without_native
    assert page.LIMITS == [] and "cannot be loaded" in page.LIMITS_MISSING
    page.get().port = 5000
    assert page.server_settings() == {"port": 5000}
