# SPDX-License-Identifier: GPL-3.0-or-later
"""How late after its deadline a script is answered that would not end by itself, in an open window."""

from __future__ import annotations

from . import blender
from .measuring import Options, Row, percentile
from .programs import MILLI

DEADLINE_MS = 200
ALLOWED_MS = 50

SHAPES = {
    "a tight loop": "while True: pass",
    "a loop that swallows exceptions": "while True:\n try: x = 1\n except BaseException: pass",
    "a finally that loops": "try:\n x = 0\n while True: x = 1\nfinally:\n while True: x = 2",
    "recursion that swallows": "def f():\n while True:\n  try: f()\n  except BaseException: pass\nf()",
    "re": "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
    "a power": "x = 3 ** 10**8",
    "a comprehension": "{x for x in iter(int, 1)}",
    "sleep": "import time; time.sleep(60)",
    "updates of the scene": "while True: bpy.context.view_layer.update()",
}


def rows(options: Options) -> list[Row]:
    """The rows of this group, in milliseconds."""
    with blender.window(options) as running:
        return [_row(running, options, name) for name in SHAPES]


def _row(running: blender.Blender, options: Options, name: str) -> Row:
    plan = {"calls": 1, "unit": MILLI, "options": {"deadline_ms": DEADLINE_MS}}
    request = ("script.run", {"code": SHAPES[name]})
    late = [running.spindle.call(request, **plan)[0] - DEADLINE_MS for _ in range(options.of(15, 3))]
    median = percentile(50, [[value] for value in late])
    return Row(
        f"runaway: {name}, after its deadline",
        "ms",
        median,
        need=f"<= {ALLOWED_MS} ms, the latest too",
        met=median.high <= ALLOWED_MS,
    )
