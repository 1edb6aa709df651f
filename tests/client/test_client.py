# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python client against a real server."""

import gc
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import spindle
from spindle import _blobs, _transport, errors
from spindle._native import native

Start = Callable[[str], int]


def test_without_a_server(folder: Path) -> None:
    with pytest.raises(errors.NoServer, match="start Blender with Spindle enabled") as caught:
        spindle.connect()
    assert caught.value.kind == "no_server" and caught.value.started is False
    assert isinstance(caught.value, ConnectionError)
    assert spindle.servers() == []


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"timeout": 1e9}, {"timeout": -1}, {"name": "a\nb"}])
def test_settings_that_cannot_be(folder: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(errors.InvalidCall):
        spindle.connect(**wrong)  # type: ignore[arg-type]


def test_settings_of_the_environment(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    start("")
    monkeypatch.setenv("SPINDLE_CLIENT_POOL_SIZE", "many")
    with pytest.raises(errors.InvalidCall, match="pool_size in the environment"):
        spindle.connect()


def test_one_of_several(start: Start) -> None:
    chair, table = start("/models/chair.blend"), start("/models/table.blend")
    with pytest.raises(errors.SeveralServers) as caught:
        spindle.connect()
    listed = {server["pid"] for server in caught.value.details["servers"]}
    assert listed == {chair, table} == {server.pid for server in spindle.servers()}
    for choice in (chair, str(chair), "chair", "chair.blend", Path("/models/chair.blend")):
        with spindle.connect(choice) as blender:
            assert blender.server.pid == chair
    with pytest.raises(errors.NoServer, match=r"table\.blend"):
        spindle.connect("lamp")


def test_scripts(blender: spindle.Blender) -> None:
    result = blender.run("1", {"a": [1, None, True]}, label="Try", b="text")
    assert (result.status, result.stdout, result.value) == ("ok", "out\n", {"a": [1, None, True], "b": "text"})
    assert result.exception is None and result.undo_step is None and result.stdout_omitted == 0


def test_a_script_that_fails(blender: spindle.Blender) -> None:
    with pytest.raises(spindle.ScriptFailed, match="ValueError: no") as caught:
        blender.run("fail")
    assert "In Blender:\nTraceback" in str(caught.value)
    assert caught.value.kind == "script_raised" and caught.value.started is True
    result = blender.run("fail", check=False)
    assert result.exception is not None and (result.exception.type, result.exception.line) == ("ValueError", 1)
    with pytest.raises(spindle.ScriptFailed):
        result.check()


def test_errors_of_the_server(blender: spindle.Blender) -> None:
    with pytest.raises(errors.NotFound, match="Lamp") as missing:
        blender.call("object.get", {"name": "Lamp"})
    assert missing.value.kind == "not_found" and not missing.value.retryable
    with pytest.raises(errors.InvalidCall) as wrong:
        blender.call("object.create", {"kind": "cub"})
    assert wrong.value.details["path"] == "params.kind"
    with pytest.raises(errors.InvalidCall, match="dance"):
        blender.call("dance")


def test_what_is_refused_before_it_is_sent(blender: spindle.Blender) -> None:
    for bad in (math.nan, math.inf, numpy.float64("nan")):
        with pytest.raises(errors.InvalidCall, match=r'params\["args"\]\["x"\]\[1\]'):
            blender.run("1", x=[0.0, bad])
    for timeout in (0, -1, math.nan, 1e9, 1e19):
        with pytest.raises(errors.InvalidCall, match="timeout"):
            blender.call("ping", timeout=timeout)
    with pytest.raises(errors.InvalidCall, match="effect"):
        blender.call("ping", effect="dance")  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidCall, match="label"):
        blender.call("ping", label="x" * 65)
    with pytest.raises(TypeError, match="no bytes to send"):
        blender.run("1", x=numpy.array([object()]))
    assert blender.call("ping") == {"pong": True}


def test_arrays_and_bytes(blender: spindle.Blender) -> None:
    points = numpy.arange(30, dtype="<f4").reshape(10, 3)
    value = blender.run("1", points=points, flipped=points.T, raw=b"abc", n=numpy.int32(7), empty=points[:0]).value
    numpy.testing.assert_array_equal(value["points"], points)
    numpy.testing.assert_array_equal(value["flipped"], points.T)
    assert value["points"].dtype == points.dtype and value["empty"].shape == (0, 3)
    assert bytes(value["raw"]) == b"abc" and value["n"] == 7


def test_arrays_are_not_copied(blender: spindle.Blender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both arrays lie in the bytes that were received, which stay as long as one of them does."""
    received: list[memoryview] = []
    unpack = _blobs.unpack
    monkeypatch.setattr(_transport, "unpack", lambda result, blob: received.append(blob) or unpack(result, blob))
    points = numpy.arange(3000, dtype="<f4").reshape(1000, 3)
    value = blender.run("1", a=points, b=points + 1).value

    def address(array: object) -> int:
        return numpy.asarray(array).__array_interface__["data"][0]

    assert address(value["a"]) == address(received[0])
    assert address(value["b"]) == address(received[0]) + points.nbytes
    assert not value["a"].flags.writeable and isinstance(received.pop().obj, native.Blob)
    del value["a"]
    gc.collect()
    numpy.testing.assert_array_equal(value["b"], points + 1)


def test_arrays_without_numpy(blender: spindle.Blender, monkeypatch: pytest.MonkeyPatch) -> None:
    points = numpy.arange(6, dtype="<f4").reshape(2, 3)
    monkeypatch.setattr(_blobs, "numpy", None)
    value = blender.run("1", points=points, empty=points[:0]).value
    assert value["points"].tolist() == points.tolist() and value["points"].shape == (2, 3)
    assert len(value["empty"]) == 0


def test_blob_references_stay_inside() -> None:
    assert _blobs.unpack({"image": {"$blob": [1, 2], "media_type": "image/png"}}, b"abcd") == {"image": b"bc"}
    with pytest.raises(ValueError, match="outside"):
        _blobs.unpack({"$blob": [3, 2]}, b"abcd")


def test_a_deadline_in_the_queue(blender: spindle.Blender) -> None:
    busy = threading.Thread(target=lambda: spindle.connect().run("sleep"))
    busy.start()
    time.sleep(0.3)
    with pytest.raises(errors.TimedOut) as caught:
        blender.run("1", timeout=0.1)
    assert (caught.value.kind, caught.value.started, caught.value.retryable) == ("expired_in_queue", False, True)
    busy.join()


def test_threads_share_a_connection(blender: spindle.Blender) -> None:
    values: list[int] = []

    def work(number: int) -> None:
        for _ in range(20):
            assert blender.run("1", n=number).value == {"n": number}
        values.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(values) == list(range(8))


def test_a_wait_leaves_the_others_running(blender: spindle.Blender) -> None:
    waiting = threading.Thread(target=blender.run, args=("sleep",))
    waiting.start()
    start, turns = time.monotonic(), 0
    while waiting.is_alive():
        time.sleep(0.001)
        turns += 1
    assert time.monotonic() - start > 0.5 and turns > 200


def test_ctrl_c_ends_a_wait(blender: spindle.Blender) -> None:
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        blender.run("sleep")
    assert time.monotonic() - start < 2.0
    assert blender.run("1", n=1).value == {"n": 1}


@pytest.mark.parametrize(("presses", "least", "most"), [(1, 2.0, 3.5), (2, 0.0, 2.0)])
def test_a_second_ctrl_c_leaves(blender: spindle.Blender, presses: int, least: float, most: float) -> None:
    """The first cancels, and waits 2 s for a script that does not listen; the second does not wait."""
    for press in range(presses):
        threading.Timer(0.3 + 0.4 * press, os.kill, (os.getpid(), signal.SIGINT)).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt) as interrupted:
        blender.run("deaf")
    assert interrupted.value.__notes__ == ["Spindle: the request had been sent and may have run"]
    assert least <= time.monotonic() - start - 0.3 < most


def test_ctrl_c_cancels_in_blender(blender: spindle.Blender) -> None:
    """A loop without an end has ended once KeyboardInterrupt is here."""
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt) as interrupted:
        blender.run("loop")
    assert interrupted.value.__notes__ == ["Spindle: the script was stopped"]
    assert blender.call("health")["running"] == []


def test_a_listener_that_raises_ends_the_wait(blender: spindle.Blender) -> None:
    def refuse(_stream: str, _text: str) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        blender.run("loop", on_output=refuse)
    assert blender.run("1", n=1).value == {"n": 1}


def test_ctrl_c_while_another_thread_has_the_connection(blender: spindle.Blender) -> None:
    waiting = threading.Thread(target=blender.run, args=("sleep",))
    waiting.start()
    time.sleep(0.2)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        blender.run("1")
    waiting.join()


def test_a_signal_handler_does_not_wait_for_its_own_thread(blender: spindle.Blender) -> None:
    replies: list[object] = []

    def handler(_signal: int, _frame: object) -> None:
        replies.append(blender.call("ping"))

    previous = signal.signal(signal.SIGUSR1, handler)
    try:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        blender.run("sleep")
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert replies == [{"pong": True}]


def test_a_closed_client(blender: spindle.Blender) -> None:
    blender.close()
    blender.close()
    with pytest.raises(errors.InvalidCall, match="shut down"):
        blender.call("ping")


def test_a_server_that_dies(start: Start) -> None:
    pid = start("")
    blender = spindle.connect(pid, attempts=1)
    threading.Timer(0.3, os.kill, (pid, signal.SIGKILL)).start()
    with pytest.raises(errors.Disconnected) as caught:
        blender.run("sleep")
    assert caught.value.started is None
    with pytest.raises(errors.NoConnection) as again:
        blender.run("1")
    assert again.value.started is False


def test_a_server_that_is_started_again(start: Start) -> None:
    """The client finds Blender again, and what may have run is not sent a second time."""
    pid = start("/models/chair.blend")
    blender = spindle.connect("chair")
    threading.Timer(0.3, os.kill, (pid, signal.SIGKILL)).start()
    with pytest.raises(errors.Disconnected, match="may have run") as caught:
        blender.run("sleep")
    assert caught.value.started is None
    again = start("/models/chair.blend")
    assert blender.run("1", n=1).value == {"n": 1} and blender.server.pid == again


def test_a_call_to_oneself(folder: Path) -> None:
    """In Blender's main thread a main method would wait for its own caller; another thread may call."""
    server = native.Server(
        {"port": 0, "runtime_dir": str(folder)}, arguments={}, blender="5.2.2", window=False, file=""
    )
    with spindle.connect() as blender:
        with pytest.raises(errors.WouldDeadlock, match="call bpy directly"):
            blender.call("scene.get")
        assert blender.call("ping") == {"pong": True}
        results: list[object] = []
        other = threading.Thread(target=lambda: results.append(blender.run("1").value))
        other.start()
        request = server.take(5.0)
        server.reply(request.ticket, {"status": "ok", "stdout": "", "stderr": "", "value": 3, "duration_ms": 0.1})
        other.join()
        assert results == [3]
    server.stop()
