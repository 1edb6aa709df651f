# SPDX-License-Identifier: GPL-3.0-or-later
"""AI clients as the preferences have them: the program itself on a home of the test's own, and a script that answers as
no program should."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from machine import BUILD

from addon import companion, connect
from addon.connect import Client, Desk, Plan

pytestmark = pytest.mark.skipif(os.name == "nt", reason="scripts start by their first line, and homes are elsewhere")


def wait(desk: Desk, timeout: float = 20.0) -> None:
    """Look as the timer does, until the run has ended."""
    deadline = time.monotonic() + timeout
    while desk.is_busy:
        assert time.monotonic() < deadline
        started = time.perf_counter()
        desk.look()
        assert time.perf_counter() - started < 0.5, "whoever looks must not wait"
        time.sleep(0.005)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with Cursor, and with Codex, whose configuration is broken."""
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".cursor").mkdir()
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".cursor/mcp.json").write_text('{\n  "mcpServers": {"other": {"command": "/bin/true"}}\n}\n')
    (tmp_path / ".codex/config.toml").write_text("[mcp_servers\n")
    return tmp_path


@pytest.fixture
def desk(home: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """With the real program."""
    given = os.environ.get("SPINDLE_PROGRAM")
    program = Path(given) if given else BUILD / "stage" / "spindle_addon" / "bin" / "spindle"
    if not program.is_file():
        pytest.skip("the program is not built; scripts/package makes it")
    monkeypatch.setattr(companion, "PROGRAM", program)
    # The first run of a large program from a cold disk may take longer than a click can wait.
    monkeypatch.setattr(connect, "PLAN_S", 10.0)
    return Desk()


def client(desk: Desk, name: str) -> Client:
    return next(client for client in desk.clients if client.id == name)


def test_the_clients_of_this_machine_are_listed(desk: Desk, home: Path) -> None:
    desk.refresh()
    wait(desk)
    assert {client.id for client in desk.clients if client.found} == {"cursor", "codex"} and len(desk.clients) > 6
    assert client(desk, "cursor").state == "absent" and client(desk, "cursor").goals() == ("connect",)
    broken = client(desk, "codex")
    assert (broken.state, broken.goals()) == ("", ()) and "Remedy: mend it" in broken.error
    assert desk.message == ""


def test_a_client_is_connected_and_disconnected_as_planned(desk: Desk, home: Path) -> None:
    config = home / ".cursor/mcp.json"
    original = config.read_text()
    desk.refresh()
    wait(desk)
    plan = desk.plan("cursor", "connect")
    stable = home / ".local/share/spindle/bin/spindle"
    assert plan is not None and plan.installs == str(stable)
    # A long line is cut, and how long a temporary folder's path is differs from run to run.
    assert any(line.startswith("+") and '"command": "/' in line for line in plan.diff), plan
    assert config.read_text() == original and not stable.exists(), "a plan writes nothing"
    assert desk.carry_out("cursor", "connect")
    wait(desk)
    assert client(desk, "cursor").state == "present" and client(desk, "cursor").goals() == ("disconnect",)
    assert desk.message.startswith("Cursor is connected; the original is kept as ") and ". Now " in desk.message
    servers = json.loads(config.read_text())["mcpServers"]
    assert servers["blender"] == {"command": str(stable), "args": ["mcp"]} and servers["other"]
    assert os.access(stable, os.X_OK) and stable.read_bytes() == companion.PROGRAM.read_bytes()
    plan = desk.plan("cursor", "disconnect")
    assert plan is not None and plan.installs == "" and any(line.startswith("-") for line in plan.diff)
    assert desk.carry_out("cursor", "disconnect")
    wait(desk)
    assert client(desk, "cursor").state == "absent" and config.read_text() == original


def test_another_server_of_this_name_is_only_replaced(desk: Desk, home: Path) -> None:
    config = home / ".cursor/mcp.json"
    config.write_text('{"mcpServers": {"blender": {"command": "uvx", "args": ["blender-mcp"]}}}')
    desk.refresh()
    wait(desk)
    assert client(desk, "cursor").goals() == ("replace",)
    assert desk.plan("cursor", "connect") is None and "Remedy: rename that server" in desk.message
    assert not desk.carry_out("cursor", "connect") and "uvx" in config.read_text()
    plan = desk.plan("cursor", "replace")
    assert plan is not None and any(line.startswith("-") for line in plan.diff)
    assert desk.carry_out("cursor", "replace")
    wait(desk)
    assert client(desk, "cursor").state == "present" and "uvx" not in config.read_text()


def test_a_newer_extension_replaces_the_program(desk: Desk, home: Path) -> None:
    assert not desk.update_program(), "nobody is connected"
    assert desk.plan("cursor", "connect") is not None and desk.carry_out("cursor", "connect")
    wait(desk)
    desk.refresh()
    wait(desk)
    assert desk.old_program == ""
    stable = home / ".local/share/spindle/bin/spindle"
    stable.write_text("an older one")
    desk.refresh()
    wait(desk)
    assert desk.old_program == str(stable)
    assert desk.update_program()
    wait(desk)
    assert stable.read_bytes() == companion.PROGRAM.read_bytes()
    assert desk.old_program == "" and desk.message.startswith("The program is up to date")


def test_nothing_is_written_without_the_plan_that_was_shown(desk: Desk, home: Path) -> None:
    original = (home / ".cursor/mcp.json").read_text()
    assert not desk.carry_out("cursor", "connect")
    assert desk.plan("cursor", "connect") is not None
    assert not desk.carry_out("zed", "connect") and not desk.carry_out("cursor", "connect"), "a plan is used up"
    assert desk.plan("cursor", "connect") is not None
    assert not desk.carry_out("cursor", "disconnect")
    assert desk.plan("cursor", "connect") is not None
    desk.forget_plan()
    assert not desk.carry_out("cursor", "connect") and not desk.is_busy
    assert (home / ".cursor/mcp.json").read_text() == original


def test_what_is_pasted_by_hand_starts_a_program_that_is_there(desk: Desk, home: Path) -> None:
    assert desk.copy("zed")
    assert not desk.copy("cursor"), "one at a time"
    wait(desk)
    assert str(home / ".local/share/spindle/bin/spindle") in desk.copied and desk.message.startswith(
        "Copied; it belongs"
    )
    assert (home / ".local/share/spindle/bin/spindle").is_file()


ROW = {"client": "x", "title": "X", "found": True, "config": "/x", "state": "absent", "error": None, "diff": ["+ a"]}
BINARY = {"path": "/spindle", "is_due": True}


def told(**changes: Any) -> str:
    return json.dumps({"binary": BINARY, "clients": [{**ROW, **changes}]})


ANSWERS = [
    ("good", told(), "", ""),
    ("no client", json.dumps({"binary": BINARY, "clients": []}), "", "in another way than expected"),
    (
        "an error",
        json.dumps({"error": {"kind": "k", "message": "no home", "remedy": "set HOME"}}),
        "",
        "no home. Remedy",
    ),
    ("an error of the client", told(error={"message": "broken", "remedy": "mend"}), "", "X: broken. Remedy: mend"),
    ("nothing", "", "", "it said nothing"),
    ("a complaint", "", "one\ntwo\n", "failed: two"),
    ("no JSON", "usage:", "", "it said nothing"),
    ("deep", "[" * 100_000, "", "it said nothing"),
    ("a list", "[]", "", "in another way than expected"),
    ("a number", "1", "", "in another way than expected"),
    ("a client without a name", json.dumps({"binary": BINARY, "clients": [{}]}), "", "in another way than expected"),
    ("an error of another shape", '{"error": 1}', "", "in another way than expected"),
]


@pytest.mark.parametrize(("output", "errors", "message"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
def test_what_a_program_may_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, errors: str, message: str
) -> None:
    script = tmp_path / "spindle"
    (tmp_path / "answer").write_text(output)
    script.write_text(
        f"#!{sys.executable}\nimport sys\nsys.stdout.write(open({str(tmp_path / 'answer')!r}).read())\n"
        f"sys.stderr.write({errors!r})\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(companion, "PROGRAM", script)
    monkeypatch.setattr(connect, "PLAN_S", 10.0)
    desk = Desk()
    plan = desk.plan("x", "connect")
    assert message in desk.message and bool(message) == bool(desk.message), desk.message
    good = Plan(Client("x", "X", True, "/x", "absent"), "connect", ("+ a",), "/spindle")
    assert plan == (None if message else good) and not desk.is_busy


def test_a_program_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A click waits half a second for it, and the rest of Blender not at all."""
    script = tmp_path / "spindle"
    script.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(1000)\n")
    script.chmod(0o755)
    monkeypatch.setattr(companion, "PROGRAM", script)
    monkeypatch.setattr(connect, "ANSWER_S", 1.0)
    desk = Desk()
    started = time.monotonic()
    assert desk.plan("x", "connect") is None and time.monotonic() - started < 0.9
    assert "has not answered yet" in desk.message and desk.is_busy
    wait(desk)
    assert desk.message == "Spindle's program did not answer within 1 s"
    desk.refresh()
    started = time.monotonic()
    desk.stop()
    assert not desk.is_busy and time.monotonic() - started < 1.0


def test_without_the_program_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companion, "PROGRAM", tmp_path / "spindle")
    desk = Desk()
    desk.refresh()
    assert "came without its program" in desk.message and not desk.is_busy and not desk.look()
