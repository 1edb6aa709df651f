# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in Blender, apart from Spindle: the hands of a user.

Each `NAME.todo` that appears in the folder $INSIDE is run as Python on the main thread, from a timer of its own; what
it leaves in `result` is written to `NAME.done` as JSON, or its traceback as text under "error".
"""

import json
import os
import traceback
from pathlib import Path

import bpy

FOLDER = Path(os.environ["INSIDE"])


def look() -> float:
    for todo in sorted(FOLDER.glob("*.todo")):
        code = todo.read_text()
        todo.unlink()
        names = {"bpy": bpy, "result": None}
        answer = {}
        try:
            exec(compile(code, str(todo), "exec"), names)
            answer["result"] = names["result"]
        except Exception:
            answer["error"] = traceback.format_exc()
        draft = todo.with_suffix(".draft")
        draft.write_text(json.dumps(answer))
        draft.rename(todo.with_suffix(".done"))
    return 0.02


bpy.app.timers.register(look, persistent=True)
