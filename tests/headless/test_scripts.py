# SPDX-License-Identifier: GPL-3.0-or-later
"""What scripts do, good and bad, through the socket: each has a clear outcome, and the next request is served."""

from __future__ import annotations

import math
from typing import Any

import pytest
import spindle

VALUES: list[tuple[str, Any]] = [
    ("1 + 1", 2),
    ("None", None),
    ("x = 1", None),
    ("'text'", "text"),
    ("import mathutils; mathutils.Vector((1, 2, 3))", [1.0, 2.0, 3.0]),
    ("import mathutils; mathutils.Matrix.Identity(2)", [[1.0, 0.0], [0.0, 1.0]]),
    ("import mathutils; mathutils.Color((1, 0, 0.5))", [1.0, 0.0, 0.5]),
    ("bpy.data.objects['Cube']", {"type": "Object", "name": "Cube"}),
    ("bpy.data.objects['Cube'].location", [0.0, 0.0, 0.0]),
    ("[o.name for o in bpy.data.objects]", ["Camera", "Cube", "Light"]),
    ("{'a': (1, 2), 'b': {3}}", {"a": [1, 2], "b": [3]}),
    ("args['n'] * 2", 42),
    ("b'bytes'", b"bytes"),
    ("__name__", "__main__"),
    ("if __name__ == '__main__':\n    x = 'ran'\nx", "ran"),
    ("from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int = 3\nP().x", 3),
]


@pytest.mark.parametrize(("code", "expected"), VALUES, ids=[row[0][:40] for row in VALUES])
def test_values(blender: spindle.Blender, code: str, expected: Any) -> None:
    assert blender.run(code, n=21).value == expected


UNSENDABLE = [
    ("{'points': [1, float('nan')]}", 'value["points"][1]', "nan"),
    ("float('inf')", "value", "inf"),
    ("lambda: 1", "value", "function"),
    ("a = []; a.append(a); a", "value[0]", ""),
]


@pytest.mark.parametrize(("code", "path", "reason"), UNSENDABLE, ids=[row[0] for row in UNSENDABLE])
def test_values_without_a_json_form(blender: spindle.Blender, code: str, path: str, reason: str) -> None:
    """EDGE-002: NaN and infinity never leave as invalid JSON; the script ran, and says so."""
    result = blender.run(code)
    assert (result.status, result.value) == ("ok", None)
    assert result.value_error is not None and result.value_repr
    assert result.value_error["path"].startswith(path)
    assert reason in result.value_error["reason"].lower()


FAILURES = [
    ("1 / 0", "ZeroDivisionError", 1),
    ("x = 1\n\nundefined", "NameError", 3),
    ("def f():\n    raise ValueError('deep')\nf()", "ValueError", 2),
    ("raise SystemExit(3)", "SystemExit", 1),
    ("raise KeyboardInterrupt", "KeyboardInterrupt", 1),
    ("import sys\nsys.exit('bye')", "SystemExit", 2),
    ("x = (", "SyntaxError", 1),
    ("class E(Exception):\n    def __str__(self): raise OSError\nraise E", "E", 3),
    ("f = lambda: f()\nf()", "RecursionError", None),
]


@pytest.mark.parametrize(("code", "kind", "line"), FAILURES, ids=[row[1] for row in FAILURES])
def test_failures(blender: spindle.Blender, code: str, kind: str, line: int | None) -> None:
    result = blender.run(code, check=False)
    assert result.status == "raised" and result.exception is not None
    assert result.exception.type == kind
    assert line is None or result.exception.line == line
    assert blender.run("'on'").value == "on"


def test_a_clean_exit_is_no_failure(blender: spindle.Blender) -> None:
    assert blender.run("import sys\nprint('done')\nsys.exit()").stdout == "done\n"


def test_output_is_captured_and_bounded(blender: spindle.Blender) -> None:
    result = blender.run("import sys\nprint('out')\nprint('err', file=sys.stderr)")
    assert (result.stdout, result.stderr) == ("out\n", "err\n")
    kept = blender.run("print('x' * 1_000_000)")
    assert len(kept.stdout) + kept.stdout_omitted == 1_000_001
    assert len(kept.stdout) == 256 * 1024


HOSTILE = [
    "import builtins; builtins.print = None",
    "import sys; sys.stdout = None; sys.stderr = None",
    "import sys; sys.modules.pop('__main__')",
    "import bpy\nfor o in list(bpy.data.objects): bpy.data.objects.remove(o)",
    "import bpy\nfor s in list(bpy.data.scenes)[1:]: bpy.data.scenes.remove(s)",
    "import bpy; bpy.ops.wm.read_homefile(use_empty=True)",
    "import linecache; linecache.cache = None",
    "import sys; sys.setrecursionlimit(200)",
    "del bpy, args, spindle",
]


@pytest.mark.parametrize("code", HOSTILE)
def test_hostile_scripts_hurt_only_themselves(trusting: Any, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setenv("SPINDLE_RUNTIME_DIR", str(trusting.runtime_dir))
    with trusting.connect() as blender:
        blender.call("file.new", {"discard_changes": True})
        assert blender.run(code).status == "ok"
        assert blender.run("1 + 1").value == 2
        blender.run("import sys; sys.setrecursionlimit(1000)")
        with trusting.connect("another") as other:
            assert other.call("scene.get")["name"] == "Scene"


def test_nothing_is_kept_between_runs(blender: spindle.Blender) -> None:
    blender.run("kept = 1")
    failed = blender.run("kept", check=False)
    assert failed.exception is not None and failed.exception.type == "NameError"


def test_a_script_starts_with_its_own_arguments(blender: spindle.Blender) -> None:
    big = {"numbers": list(range(1000)), "text": "é" * 1000, "nested": {"a": [None, True, -1.5]}}
    assert blender.run("args", big).value == big
    with pytest.raises(spindle.errors.InvalidCall):
        blender.run("args", x=math.nan)


def test_changes_are_undo_steps_and_reads_are_not(blender: spindle.Blender) -> None:
    assert blender.run("bpy.data.objects['Cube'].location.x = 2", label="Move").undo_step == "Spindle: test: Move"
    assert blender.run("bpy.data.objects['Cube'].location.x").undo_step is None
    assert blender.run("bpy.context.scene['a'] = 1", effect="read").undo_step is None
    assert blender.run("bpy.data.objects['Cube'].location.y = 2", effect="read").undo_step is not None
    failed = blender.run("bpy.context.scene['b'] = 1\n1 / 0", check=False)
    assert failed.undo_step is not None
