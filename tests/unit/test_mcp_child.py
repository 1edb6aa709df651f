# SPDX-License-Identifier: GPL-3.0-or-later
"""The program beside Blender, and `spindle mcp --http` as its child: real processes, of a script that acts like the
program, and of the program itself where $SPINDLE_PROGRAM, or the package's stage, has it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from machine import BUILD, ROOT

from addon import companion
from addon.companion import CompanionError, Run
from addon.mcp_child import Child, Settings, Status

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="the script that acts like the program starts by its first line"
)

# Listens as the program does: one line, then until its input ends. The file `how` changes that; `runs` counts.
ACTOR = """#!{python}
import json, os, signal, sys, time
folder = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(folder, "runs"), "a") as runs:
    runs.write(json.dumps([os.getpid(), sys.argv[1:]]) + "\\n")
try:
    how = open(os.path.join(folder, "how")).read()
except FileNotFoundError:
    how = ""
exec(how)
port = sys.argv[sys.argv.index("--port") + 1]
told = {{"url": f"http://127.0.0.1:{{port}}/mcp", "token_file": folder + "/token", "pid": os.getpid()}}
print(json.dumps(told), flush=True)
sys.stdin.read()
"""


class Actor:
    """The script in the place of the program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "spindle"
        self.path.write_text(ACTOR.format(python=sys.executable))
        self.path.chmod(0o755)

    def acts(self, how: str) -> None:
        (self.folder / "how").write_text(how)

    def runs(self) -> list[tuple[int, list[str]]]:
        file = self.folder / "runs"
        return [tuple(json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def actor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Actor:
    actor = Actor(tmp_path)
    monkeypatch.setattr(companion, "PROGRAM", actor.path)
    return actor


class Clock:
    """A clock that a test moves on; it does not stand still either."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def child(actor: Actor, clock: Clock) -> Iterator[Child]:
    child = Child(clock=clock)
    yield child
    child.stop()


def eventually(child: Child, wanted: Settings | None, holds: Callable[[Status], bool], timeout: float = 20.0) -> Status:
    """Look as the timer does until it holds."""
    deadline = time.monotonic() + timeout
    while not holds(child.status):
        assert time.monotonic() < deadline, child.status
        started = time.perf_counter()
        child.look(wanted)
        assert time.perf_counter() - started < 0.5, "whoever looks must not wait"
        time.sleep(0.01)
    return child.status


def is_in(state: str) -> Callable[[Status], bool]:
    return lambda status: status.state == state


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


PORT = Settings(4711)


def test_it_serves_and_ends_when_it_is_not_wanted(child: Child, actor: Actor) -> None:
    assert not child.look(None) and child.status == Status("off") and actor.runs() == []
    status = eventually(child, Settings(4711, "/some/token"), is_in("serving"))
    assert (status.url, status.token_file) == ("http://127.0.0.1:4711/mcp", f"{actor.folder}/token")
    ((pid, arguments),) = actor.runs()
    assert arguments == ["mcp", "--http", "--json", "--port", "4711", "--token-file", "/some/token"]
    assert child.look(None) and child.status == Status("off"), "that it ends is seen at once"
    deadline = time.monotonic() + 10
    while is_alive(pid):
        assert time.monotonic() < deadline
        child.look(None)
        time.sleep(0.01)


def test_another_port_is_another_process(child: Child, actor: Actor) -> None:
    eventually(child, PORT, is_in("serving"))
    other = Settings(4712)
    status = eventually(child, other, lambda status: status.url.endswith(":4712/mcp"))
    assert status.state == "serving" and len(actor.runs()) == 2 and not is_alive(actor.runs()[0][0])


def test_off_and_on_again_at_once_is_no_failure(child: Child, actor: Actor) -> None:
    actor.acts("signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    eventually(child, PORT, is_in("serving"))
    child.look(None)
    seen = {"starting"}
    deadline = time.monotonic() + 10
    while child.status.state != "serving":
        child.look(PORT)
        seen.add(child.status.state)
        assert time.monotonic() < deadline
    assert seen == {"starting", "serving"} and len(actor.runs()) == 2


def test_it_is_started_again_later_and_later(child: Child, actor: Actor, clock: Clock) -> None:
    actor.acts('sys.exit("it is\\nraining")')
    for number, delay in enumerate([1, 2, 4, 8, 16, 32, 60, 60], 1):
        status = eventually(child, PORT, is_in("waiting"))
        assert status.text == f"raining (it ended with status 1). It is tried again after {delay} s"
        assert len(actor.runs()) == number
        clock.ahead += delay - 0.9
        child.look(PORT)
        assert child.status == status, "not before"
        clock.ahead += 0.9
        child.look(PORT)
        assert child.status.state == "starting"


def test_who_has_lived_for_a_minute_is_started_again_soon(child: Child, actor: Actor, clock: Clock) -> None:
    for lived, delay in [(0, 1), (50, 2), (61, 1), (0, 2)]:
        eventually(child, PORT, is_in("serving"))
        clock.ahead += lived
        os.kill(actor.runs()[-1][0], signal.SIGKILL)
        text = eventually(child, PORT, is_in("waiting")).text
        assert text == f"Signal 9 ended it. It is tried again after {delay} s"
        clock.ahead += delay


def error(kind: str) -> str:
    told = {"error": {"kind": kind, "message": "no", "remedy": "do"}}
    return f"print(json.dumps({told}, indent=2)); sys.exit(1)"


COMPLAINTS = [
    ("a taken port may become free", error("port_in_use"), "waiting", "no: do. It is tried again after 1 s"),
    ("a bad token file stays bad", error("no_token"), "failed", "no: do"),
    ("no word", "sys.exit(0)", "waiting", "It ended with status 0. It is"),
    ("a long one", 'sys.exit("x" * 100000)', "waiting", "x" * 300),
    ("bytes that are no text", 'os.write(2, b"\\xff\\xfe"); os._exit(3)', "waiting", "\ufffd\ufffd (it ended with"),
    ("an output that is no JSON", 'print("[" * 9999); sys.exit(1)', "waiting", "It ended with status 1"),
    ("an output of another shape", 'print("[1]"); sys.exit(1)', "waiting", "It ended with status 1"),
    ("no address in it", "print('{\"url\": 1}', flush=True); sys.exit(1)", "waiting", "It ended with status 1"),
]


@pytest.mark.parametrize(("how", "state", "text"), [row[1:] for row in COMPLAINTS], ids=[row[0] for row in COMPLAINTS])
def test_why_it_does_not_serve(child: Child, actor: Actor, how: str, state: str, text: str) -> None:
    actor.acts(how)
    status = eventually(child, PORT, lambda status: status.state in {"waiting", "failed"})
    assert status.state == state and status.text.startswith(text), status
    assert len(status.text) < 400


def test_what_has_failed_is_tried_again_when_it_is_switched_off_and_on(
    child: Child, actor: Actor, clock: Clock
) -> None:
    actor.acts(error("no_token"))
    eventually(child, PORT, is_in("failed"))
    clock.ahead += 1e6
    assert not child.look(PORT) and len(actor.runs()) == 1
    actor.acts("")
    child.look(None)
    eventually(child, PORT, is_in("serving"))


def test_who_never_begins_to_listen_is_ended(child: Child, actor: Actor, clock: Clock) -> None:
    actor.acts("time.sleep(1000)")
    child.look(PORT)
    deadline = time.monotonic() + 10
    while not actor.runs():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    clock.ahead += 21
    assert eventually(child, PORT, is_in("waiting")).text.startswith("It did not begin to listen within 20 s")
    assert not is_alive(actor.runs()[0][0])


def test_what_it_complains_of_is_bounded_and_never_blocks_it(child: Child, actor: Actor) -> None:
    """Four times what a pipe holds, while somebody looks now and then."""
    actor.acts('sys.stderr.write("complaint\\n" * 30000)')
    eventually(child, PORT, is_in("serving"))
    assert child._run is not None and len(child._run.errors) == companion.MOST_ERRORS


STUBBORN = [
    ("", "its input ends"),
    ("signal.signal(signal.SIGTERM, signal.default_int_handler); sys.stdin = open('/dev/zero')", "it is terminated"),
    ("signal.signal(signal.SIGTERM, signal.SIG_IGN); sys.stdin = open('/dev/zero')", "it is killed"),
]


@pytest.mark.parametrize("how", [row[0] for row in STUBBORN], ids=[row[1] for row in STUBBORN])
def test_stop_waits_until_it_has_ended(child: Child, actor: Actor, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companion, "GRACE_S", 0.3)
    actor.acts(how.replace("open('/dev/zero')", "type('Deaf', (), {'read': lambda self: time.sleep(1000)})()"))
    eventually(child, PORT, is_in("serving"))
    pid = actor.runs()[0][0]
    started = time.monotonic()
    child.stop()
    assert not is_alive(pid) and child.status == Status("off") and time.monotonic() - started < 1.5
    child.stop()


OBSTACLES: list[tuple[str, Callable[[Path], Any], str]] = [
    ("missing", lambda path: path.unlink(), "came without its program"),
    ("foreign", lambda path: path.write_bytes(b"MZ\x90\0"), "another kind of machine"),
    ("cannot_start", lambda path: path.write_text("#!/not/there\n"), "cannot be started"),
]


@pytest.mark.parametrize(("kind", "spoil", "text"), OBSTACLES, ids=[row[0] for row in OBSTACLES])
def test_a_program_that_cannot_be_run(
    child: Child, actor: Actor, kind: str, spoil: Callable[[Path], Any], text: str
) -> None:
    spoil(actor.path)
    with pytest.raises(CompanionError, match=text) as caught:
        Run([])
    assert caught.value.kind == kind
    child.look(PORT)
    assert child.status.state == ("waiting" if kind == "cannot_start" else "failed") and text in child.status.text


@pytest.mark.parametrize(("number", "kind"), [(5, "blocked"), (4551, "blocked"), (193, "foreign"), (8, "cannot_start")])
def test_what_windows_says_of_a_program(number: int, kind: str) -> None:
    error = OSError(22, "An Application Control policy has blocked this file")
    error.winerror = number  # type: ignore[attr-defined]
    assert companion._obstacle(error).kind == kind


def test_what_the_system_forbids_is_said() -> None:
    assert companion._obstacle(PermissionError(13, "Permission denied")).kind == "blocked"


def test_the_mode_that_unpacking_has_lost_is_set(child: Child, actor: Actor) -> None:
    actor.path.chmod(0o644)
    eventually(child, PORT, is_in("serving"))
    assert actor.path.stat().st_mode & 0o777 == 0o755


PARENT = """
import sys, time, types
from pathlib import Path
package = types.ModuleType("addon"); package.__path__ = [sys.argv[1]]; sys.modules["addon"] = package
from addon import companion, mcp_child
companion.PROGRAM = Path(sys.argv[2])
settings = mcp_child.Settings(int(sys.argv[3]), sys.argv[4])
while mcp_child.status().state != "serving":
    mcp_child.look(settings)
    time.sleep(0.01)
print(mcp_child.status().url, flush=True)
time.sleep(1000)
"""


def kill_the_parent(program: Path, folder: Path) -> None:
    """Start the child from a process of its own, kill that, and see that the child ends."""
    command = [sys.executable, "-c", PARENT, str(ROOT / "addon"), str(program), "0", str(folder / "token")]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None and parent.stdout.readline().startswith("http://127.0.0.1:")
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    assert len(children) == 1 and is_alive(int(children[0]))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while is_alive(int(children[0])):
        assert time.monotonic() < deadline, "it has outlived its parent"
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="the children of a process are read from /proc")
def test_it_ends_when_blender_is_killed(actor: Actor, tmp_path: Path) -> None:
    kill_the_parent(actor.path, tmp_path)


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The real one."""
    given = os.environ.get("SPINDLE_PROGRAM")
    program = Path(given) if given else BUILD / "stage" / "spindle_addon" / "bin" / "spindle"
    if not program.is_file():
        pytest.skip("the program is not built; scripts/package makes it")
    monkeypatch.setattr(companion, "PROGRAM", program)
    return program


def test_the_program_itself_serves_and_complains(program: Path, tmp_path: Path) -> None:
    """What it prints is what is read here; the second one finds the port of the first one taken, until that ends."""
    token, first, second = tmp_path / "token", Child(), Child()
    try:
        url = eventually(first, Settings(0, str(token)), is_in("serving")).url
        assert first.status.token_file == str(token) and len(token.read_text().strip()) >= 32
        port = Settings(int(url.split(":")[2].split("/")[0]), str(token))
        text = eventually(second, port, is_in("waiting")).text
        assert f"port {port.port}" in text and "is taken" in text
        started = time.monotonic()
        first.stop()
        assert time.monotonic() - started < 1.0
        eventually(second, port, is_in("serving"))
        token.chmod(0o644)
        second.stop()
        assert "others can read" in eventually(first, port, is_in("failed")).text
    finally:
        first.stop()
        second.stop()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="the children of a process are read from /proc")
def test_the_program_itself_ends_when_blender_is_killed(program: Path, tmp_path: Path) -> None:
    kill_the_parent(program, tmp_path)
