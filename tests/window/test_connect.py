# SPDX-License-Identifier: GPL-3.0-or-later
"""The switch for the MCP server and the set-up of AI clients, as a user has them in Blender's preferences."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

PREFERENCES = 'chosen = bpy.context.preferences.addons["bl_ext.user_default.spindle"].preferences\n'

MODULES = """
import sys
def module(name):
    return next(found for known, found in sys.modules.items() if known.endswith(".spindle." + name))
"""

STATUS = MODULES + 'status = module("mcp_child").status()\nresult = [status.state, status.text, status.url]'

DESK = (
    MODULES
    + 'desk = module("connect").desk()\nresult = [desk.message, {c.id: c.state for c in desk.clients if c.found}]'
)

PAGE = """
window = bpy.context.window_manager.windows[0]
area = max(window.screen.areas, key=lambda area: area.width * area.height)
area.type = "PREFERENCES"
bpy.context.preferences.active_section = "ADDONS"
bpy.context.window_manager.addon_search = "Spindle"
import addon_utils
with bpy.context.temp_override(window=window, area=area):
    for module in addon_utils.modules():
        if module.__name__.endswith(".spindle") and not addon_utils.module_bl_info(module)["show_expanded"]:
            bpy.ops.preferences.addon_expand(module=module.__name__)
"""

CHANGE = """
window = bpy.context.window_manager.windows[0]
area = max(window.screen.areas, key=lambda area: area.width * area.height)
region = next(region for region in area.regions if region.type == "WINDOW")
window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=600, y=400)
with bpy.context.temp_override(window=window, area=area, region=region):
    result = list(bpy.ops.spindle.client_change("{how}", client="cursor", goal="{goal}"))
"""

ENTER = """
window = bpy.context.window_manager.windows[0]
for value in ("PRESS", "RELEASE"):
    window.event_simulate(type="{key}", value=value, x=600, y=400)
"""

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home of the test's own, with Cursor in it, before Blender starts."""
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    (home / ".cursor").mkdir(parents=True)
    (home / ".cursor/mcp.json").write_text('{\n  "mcpServers": {"other": {"command": "/bin/true"}}\n}\n')
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def user(blender):
    return User(blender)


class User:
    """The user in front of Blender's preferences."""

    def __init__(self, blender):
        self.blender = blender

    def sets(self, **values):
        self.blender.inside(PREFERENCES + "".join(f"chosen.{name} = {value!r}\n" for name, value in values.items()))

    def status(self):
        return self.blender.inside(STATUS)

    def waits_for(self, state):
        self.blender.eventually(lambda: self.status()[0] == state)
        return self.status()


def child_of(pid):
    """The id of the MCP server's process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if b"--http" in command and parent == pid:
            found.append(int(folder.name))
    return found


def ask(url, token):
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, json.dumps(INITIALIZE).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read().decode()


def test_the_mcp_server_is_a_child_of_blender(blender, user, home, pictures):
    """Off by default; served to who has the token; restarted when it dies; gone with the switch, with Spindle, and with
    Blender, whichever way that ends."""
    assert user.status() == ["off", "", ""] and child_of(blender.process.pid) == []
    user.sets(mcp_port=0, mcp_server=True)
    _, _, url = user.waits_for("serving")
    (pid,) = child_of(blender.process.pid)
    blender.show_panel()
    blender.screenshot(pictures / f"mcp-panel-{blender.name}.png")
    blender.inside("bpy.ops.spindle.mcp_copy_token()")
    token = blender.inside("result = bpy.context.window_manager.clipboard")
    assert token == (home / ".local/share/spindle/mcp-token").read_text().strip()
    assert '"serverInfo"' in ask(url, token)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        ask(url, "")
    blender.inside("bpy.ops.spindle.mcp_copy_url()")
    assert blender.inside("result = bpy.context.window_manager.clipboard") == url

    os.kill(pid, signal.SIGKILL)
    blender.eventually(lambda: user.status()[0] == "waiting" or child_of(blender.process.pid) not in ([], [pid]))
    user.waits_for("serving")
    (second,) = child_of(blender.process.pid)
    assert second != pid

    blender.inside("bpy.ops.spindle.stop()")
    blender.eventually(lambda: child_of(blender.process.pid) == [])
    assert user.status()[0] == "off"
    blender.inside("bpy.ops.spindle.start()")
    user.waits_for("serving")
    user.sets(mcp_server=False)
    blender.eventually(lambda: child_of(blender.process.pid) == [])
    user.sets(mcp_server=True)
    user.waits_for("serving")
    (third,) = child_of(blender.process.pid)
    blender.inside('bpy.ops.wm.read_homefile(app_template="")')
    assert user.status()[0] == "serving" and child_of(blender.process.pid) == [third]
    assert blender.quit() == 0
    assert not Path(f"/proc/{third}").exists(), "it is gone before Blender is"


def test_it_does_not_outlive_a_blender_that_is_killed(blender, user):
    user.sets(mcp_port=0, mcp_server=True)
    user.waits_for("serving")
    (pid,) = child_of(blender.process.pid)
    blender.process.kill()
    blender.process.wait()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_ai_client_is_connected_from_the_preferences(blender, user, home, pictures):
    """The page lists it by itself; the dialog shows what changes; a script cannot agree in the user's name."""
    config = home / ".cursor/mcp.json"
    original = config.read_text()
    user.sets(mcp_port=0, mcp_server=True)
    user.waits_for("serving")
    blender.inside(PAGE)
    blender.eventually(lambda: blender.inside(DESK)[1].get("cursor") == "absent")
    blender.screenshot(pictures / f"connect-{blender.name}.png")

    assert blender.inside(CHANGE.format(how="EXEC_DEFAULT", goal="connect")) == ["CANCELLED"]
    assert config.read_text() == original

    assert blender.inside(CHANGE.format(how="INVOKE_DEFAULT", goal="connect")) == ["RUNNING_MODAL"]
    blender.screenshot(pictures / f"connect-dialog-{blender.name}.png")
    assert config.read_text() == original, "only shown"
    blender.inside(ENTER.format(key="RET"))
    blender.eventually(lambda: blender.inside(DESK)[1]["cursor"] == "present")
    stable = home / ".local/share/spindle/bin/spindle"
    assert json.loads(config.read_text())["mcpServers"]["blender"]["command"] == str(stable)
    assert os.access(stable, os.X_OK)
    blender.screenshot(pictures / f"connected-{blender.name}.png")

    blender.inside(CHANGE.format(how="INVOKE_DEFAULT", goal="disconnect"))
    blender.inside(ENTER.format(key="ESC"))
    time.sleep(0.5)
    assert blender.inside(DESK)[1]["cursor"] == "present", "Escape changes nothing"
    blender.inside(CHANGE.format(how="INVOKE_DEFAULT", goal="disconnect"))
    blender.inside(ENTER.format(key="RET"))
    blender.eventually(lambda: blender.inside(DESK)[1]["cursor"] == "absent")
    assert config.read_text() == original

    blender.inside('bpy.ops.spindle.client_copy(client="zed")')
    blender.eventually(lambda: str(stable) in blender.inside("result = bpy.context.window_manager.clipboard"))
