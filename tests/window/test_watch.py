# SPDX-License-Identifier: GPL-3.0-or-later
"""What people see and do while clients are at work in a window: progress, kept answers, cancel buttons, alerts."""

from __future__ import annotations

import concurrent.futures

import pytest
import spindle

ENDLESS = {"engine": "cycles", "width": 640, "height": 480, "samples": 65536}

SNAPSHOT = """
import importlib, sys
panel = importlib.import_module(next(name for name in sys.modules if name.endswith(".spindle.panel")))
result = panel.snapshot()
"""


def test_the_user_cancels_a_render_in_the_panel(blender, pictures):
    """It shows its progress while it runs; kept answers are served meanwhile; the button stops it, and its client is
    told. Of a picture in a window, Blender 4.3 tells its handlers nothing."""
    heard, tells = [], blender.name != "4.3"
    # With adaptive sampling the picture of a cube is good enough within seconds.
    blender.inside("bpy.context.scene.cycles.use_adaptive_sampling = False")
    with blender.connect() as renderer, blender.connect() as client:
        client.call("scene.get")
        rendering = blender.in_background(
            lambda: renderer.call("render.image", ENDLESS, on_progress=lambda *progress: heard.append(progress))
        )
        blender.eventually(lambda: heard if tells else client.call("health")["running"])
        assert "cached" in client.call("scene.get", max_age=60)
        blender.show_panel()
        (running,) = blender.inside(SNAPSHOT)["running"]
        ticket, method, _label, _client, progress = running
        assert (method, progress is not None) == ("render.image", tells)
        blender.screenshot(pictures / f"panel-queue-{blender.name}.png")
        blender.inside(f"bpy.ops.spindle.cancel(ticket='{ticket}')")
        with pytest.raises(spindle.SpindleError) as caught:
            rendering.result(timeout=60)
        assert caught.value.kind == "cancelled"
        assert all(0 <= done <= (total or done) for done, total, _message in heard)
        assert blender.inside(SNAPSHOT)["running"] == []


def test_output_comes_while_the_window_is_held(blender):
    """A script holds the main thread, and its first line is at the client long before its end."""
    first = concurrent.futures.Future()
    with blender.connect() as client:
        code = "import time\nprint('first')\ntime.sleep(1.5)\nprint('last')"
        running = blender.in_background(
            lambda: client.run(code, on_output=lambda _stream, text: first.done() or first.set_result(text))
        )
        assert first.result(timeout=20) == "first\n"
        assert not running.done()
        assert running.result(timeout=20).stdout == "first\nlast\n"
