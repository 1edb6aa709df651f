# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that scripts/soak runs beside Blender: rounds of everything that clients do, well and badly.

  python -m soaking.clients SECONDS FOLDER    at least one round; Blender must be allowed to write into the folder
  python -m soaking.clients                   print how many timers of Spindle's and how many handlers Blender has

Prints how often it did what. What must succeed or fail and does not ends it with a traceback.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import spindle

from . import rude, steps

HOOKS = """
import sys, types
functions = {
    value
    for name, module in list(sys.modules.items()) if "spindle" in name
    for value in list(vars(module).values()) if isinstance(value, types.FunctionType)
}
lists = [value for name in dir(bpy.app.handlers) if isinstance(value := getattr(bpy.app.handlers, name), list)]
[sum(map(bpy.app.timers.is_registered, functions)), sum(map(len, lists))]
"""


def main() -> None:
    """What the arguments ask for."""
    if sys.argv[1:]:
        seconds, folder = sys.argv[1:]
        soak(float(seconds), Path(folder))
    else:
        with spindle.connect(name="observer") as blender:
            print(*blender.run(HOOKS, effect="read").value)


def soak(seconds: float, folder: Path) -> None:
    """Round after round until the time is up, beside a client that never stops."""
    counts: Counter[str] = Counter()
    end, over = time.monotonic() + seconds, Event()
    with ThreadPoolExecutor() as pool:
        bystander = pool.submit(bystand, over)
        try:
            while not counts or time.monotonic() < end:
                play(folder, counts)
        finally:
            over.set()
        counts["glances"] = bystander.result()
    print(*(f"{count} x {name}" for name, count in counts.items()), sep=", ")


def play(folder: Path, counts: Counter[str]) -> None:
    """One round."""
    with spindle.connect(name="soak") as blender:
        blender.call("file.new", {"discard_changes": True})
        for step in (steps.work, steps.errors, steps.jobs, steps.live, steps.cache, steps.watch):
            step(blender)
            counts[step.__name__] += 1
        for act in (rude.cancels, rude.departures, rude.haste, rude.slowness):
            act()
            counts[act.__name__] += 1
        for stage in (steps.files, steps.pictures):
            stage(blender, folder)
            counts[stage.__name__] += 1


def bystand(over: Event) -> int:
    """A client that wants little, and always gets it; how often."""
    glances = 0
    with spindle.connect(name="bystander") as blender:
        while not over.wait(0.05):
            assert blender.call("ping")["pong"] and blender.run("1 + 1").value == 2
            glances += 1
    return glances


if __name__ == "__main__":
    main()
